package kvbucket_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func transactionCases() []bucketCase {
	return []bucketCase{
		{"K10 comparisons", caseComparisons},
		{"K11 fifty callers swap", caseCompareAndSwap},
		{"K11 fifty callers count", caseCount50},
		{"K12 a key owned after its put", casePutThenOwn},
		{"K13 read, delete, put", caseReadDeletePut},
		{"K17 owner-only changes are watched whole", caseWatchOwnerChanges},
		{"no operations", caseNoOperations},
		{"else", caseElse},
		{"results", caseResults},
		{"one change per key", caseOneChangePerKey},
		{"buckets", caseBuckets},
		{"all or nothing", caseAllOrNothing},
		{"limits", caseTxnLimits},
		{"bad transactions", caseBadTransactions},
		{"read-only buckets", caseReadOnlyTxn},
		{"owners in order", caseOwnerOrder},
		{"bank", caseBank},
	}
}

var operators = []kvbucket.Operator{
	kvbucket.Equal, kvbucket.NotEqual, kvbucket.Less, kvbucket.LessOrEqual, kvbucket.Greater, kvbucket.GreaterOrEqual,
}

// holding returns the operators under which a condition holds.
func (b bucket) holding(cond func(kvbucket.Operator) kvbucket.Cond) string {
	b.t.Helper()
	var out []string
	for _, op := range operators {
		if b.commit(kvbucket.Txn{If: []kvbucket.Cond{cond(op)}}).Succeeded {
			out = append(out, string(op))
		}
	}
	return strings.Join(out, " ")
}

func (b bucket) holds(c kvbucket.Cond) bool {
	b.t.Helper()
	return b.commit(kvbucket.Txn{If: []kvbucket.Cond{c}}).Succeeded
}

const (
	whenEqual = "== <= >="
	whenLess  = "!= < <="
	whenMore  = "!= > >="
)

func caseComparisons(t *testing.T, b bucket) {
	o := b.register("o_2")
	b.put("a", "m")
	b.put("owned", "m", o)
	revision, version := b.put("a", "m"), uint64(2)
	type cond = kvbucket.Cond
	type operator = kvbucket.Operator
	for name, c := range map[string]struct {
		cond func(operator) cond
		want string
	}{
		"value of missing":     {func(o operator) cond { return kvbucket.ValueIs("x", o, []byte("m")) }, "!="},
		"no value of missing":  {func(o operator) cond { return kvbucket.ValueIs("x", o, nil) }, "!="},
		"owner of missing":     {func(o operator) cond { return kvbucket.OwnerIs("x", o, "o_2") }, "!="},
		"owner of unowned":     {func(o operator) cond { return kvbucket.OwnerIs("a", o, "o_2") }, "!="},
		"value equal":          {func(o operator) cond { return kvbucket.ValueIs("a", o, []byte("m")) }, whenEqual},
		"value less":           {func(o operator) cond { return kvbucket.ValueIs("a", o, []byte("ma")) }, whenLess},
		"value more":           {func(o operator) cond { return kvbucket.ValueIs("a", o, nil) }, whenMore},
		"value unsigned":       {func(o operator) cond { return kvbucket.ValueIs("a", o, []byte{0xff}) }, whenLess},
		"owner equal":          {func(o operator) cond { return kvbucket.OwnerIs("owned", o, "o_2") }, whenEqual},
		"owner less":           {func(o operator) cond { return kvbucket.OwnerIs("owned", o, "o_10") }, whenLess},
		"revision of missing":  {func(o operator) cond { return kvbucket.RevisionIs("x", o, 0) }, whenEqual},
		"revision of missing1": {func(o operator) cond { return kvbucket.RevisionIs("x", o, 1) }, whenLess},
		"version of missing":   {func(o operator) cond { return kvbucket.VersionIs("x", o, 0) }, whenEqual},
		"version of missing1":  {func(o operator) cond { return kvbucket.VersionIs("x", o, 1) }, whenLess},
		"revision equal":       {func(o operator) cond { return kvbucket.RevisionIs("a", o, revision) }, whenEqual},
		"revision less":        {func(o operator) cond { return kvbucket.RevisionIs("a", o, 1<<63) }, whenLess},
		"version equal":        {func(o operator) cond { return kvbucket.VersionIs("a", o, version) }, whenEqual},
		"version more":         {func(o operator) cond { return kvbucket.VersionIs("a", o, 1) }, whenMore},
	} {
		if got := b.holding(c.cond); got != c.want {
			t.Errorf("%s: want it to hold under %q, got %q", name, c.want, got)
		}
	}
	for i, c := range []struct {
		cond cond
		want bool
	}{
		{kvbucket.KeyExists("a"), true}, {kvbucket.KeyExists("x"), false}, {kvbucket.KeyMissing("a"), false}, {kvbucket.KeyMissing("x"), true},
		{kvbucket.Unowned("a"), true}, {kvbucket.Unowned("owned"), false}, {kvbucket.Unowned("x"), false},
		{kvbucket.OwnerIs("a", kvbucket.NotEqual, ""), false}, {kvbucket.OwnerIs("owned", kvbucket.NotEqual, ""), true}, {kvbucket.OwnerIs("x", kvbucket.NotEqual, ""), true},
		{kvbucket.KeyExists("a").In("other"), false}, {kvbucket.Registered(kvbucket.Owner{ID: "o_3"}), false},
	} {
		if got := b.holds(c.cond); got != c.want {
			t.Errorf("condition %d: want %v, got %v", i, c.want, got)
		}
	}
	b.end("o_2")
	same(t, true, b.holds(kvbucket.KeyMissing("owned")))
}

// callers runs fn as often at once.
func callers(n int, fn func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(fn)
	}
	wg.Wait()
}

func caseCompareAndSwap(t *testing.T, b bucket) {
	b.put("n", "0")
	callers(50, func() {
		for {
			old := b.get("n")
			n, _ := strconv.Atoi(string(old.Value))
			res, err := b.Commit(b.ctx, kvbucket.Txn{
				If:   []kvbucket.Cond{kvbucket.ValueIs("n", kvbucket.Equal, old.Value)},
				Then: []kvbucket.Op{kvbucket.OpPut("n", []byte(strconv.Itoa(n+1)))},
			})
			if err != nil {
				t.Error(err)
				return
			}
			if res.Succeeded {
				return
			}
		}
	})
	same(t, "50", string(b.get("n").Value))
}

func caseCount50(t *testing.T, b bucket) {
	callers(50, func() {
		_, err := b.Update(b.ctx, "n", func(old *kvbucket.Entry) ([]byte, error) {
			n := 0
			if old != nil {
				n, _ = strconv.Atoi(string(old.Value))
			}
			return []byte(strconv.Itoa(n + 1)), nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	e := b.get("n")
	same(t, []any{"50", uint64(50)}, []any{string(e.Value), e.Version})
}

func casePutThenOwn(t *testing.T, b bucket) {
	c := b.register("c")
	b.do(kvbucket.OpPut("x", []byte("v")), kvbucket.OpSetOwner("x", c))
	same(t, [2]string{"v", "c"}, b.owned("x"))
	same(t, uint64(1), b.get("x").Version)
	_, err := b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpSetOwner("y", c), kvbucket.OpPut("y", nil)}})
	refused(t, err, kvbucket.ErrNotFound, b.revision())
	same(t, false, b.exists("y"))
}

func caseReadDeletePut(t *testing.T, b bucket) {
	b.put("a", "1")
	before := b.put("ab", "2")
	res := b.do(kvbucket.OpGetRange(kvbucket.Prefix("a")), kvbucket.OpDeleteRange(kvbucket.Prefix("a")), kvbucket.OpPut("a", []byte("later")))
	same(t, []any{true, before + 1}, []any{res.Succeeded, res.Revision})
	same(t, []string{"a=1", "ab=2"}, lines(res.Results[0].Entries))
	same(t, 2, res.Results[1].Count)
	same(t, kvbucket.Result{}, res.Results[2])
	same(t, []string{"a=later"}, b.list(everything))
	same(t, []string{"a=1", "a=later"}, b.history("a"))
}

// caseWatchOwnerChanges: watchers see the transaction whole, each with what its
// filter wants of it.
func caseWatchOwnerChanges(t *testing.T, b bucket) {
	c := b.register("c")
	b.do(kvbucket.OpPutAll([]kvbucket.KV{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}, {Key: "c", Value: []byte("3")}}))
	all, one, part := b.watch(), b.watch(kvbucket.Keys("b")), b.watch(kvbucket.Ranges(kvbucket.Between("b", "d")))
	for _, w := range []watch{all, one, part} {
		w.want("caught up")
	}
	res := b.do(kvbucket.OpSetOwner("b", c), kvbucket.OpDelete("a"), kvbucket.OpPut("c", []byte("4")), kvbucket.OpSetOwner("c", c))
	all.want("b=2 +", "-a +", "c=4")
	one.want("b=2 key:b")
	part.want("b=2 range:b,d +", "c=4 range:b,d")
	b.end("c")
	for _, want := range []string{"-b +", "-c"} {
		e := all.next()
		same(t, want, eventLine(e))
		same(t, []any{res.Revision + 1, bus.ReasonOwnerGone}, []any{e.Revision, e.Entry.Reason})
	}
}

func caseNoOperations(t *testing.T, b bucket) {
	r := b.put("a", "1")
	same(t, &kvbucket.TxnResult{Succeeded: true, Revision: r, Results: []kvbucket.Result{}}, b.commit(kvbucket.Txn{}))
	no := kvbucket.Txn{If: []kvbucket.Cond{kvbucket.KeyMissing("a")}, Then: []kvbucket.Op{kvbucket.OpDelete("a")}}
	same(t, &kvbucket.TxnResult{Revision: r, Results: []kvbucket.Result{}}, b.commit(no))
	same(t, r, b.do(kvbucket.OpDelete("b"), kvbucket.OpGet("a"), kvbucket.OpDeleteRange(kvbucket.Prefix("b"))).Revision)
	same(t, r, b.do(kvbucket.OpPut("b", nil), kvbucket.OpDelete("b")).Revision) // it never was
	same(t, r, b.revision())
}

func caseElse(t *testing.T, b bucket) {
	b.put("a", "1")
	conds := []kvbucket.Cond{kvbucket.KeyExists("a"), kvbucket.ValueIs("a", kvbucket.Equal, []byte("1"))}
	txn := kvbucket.Txn{If: conds, Then: []kvbucket.Op{kvbucket.OpPut("a", []byte("2"))}, Else: []kvbucket.Op{kvbucket.OpGet("a"), kvbucket.OpPut("b", nil)}}
	same(t, true, b.commit(txn).Succeeded)
	res := b.commit(txn)
	same(t, []any{false, "2", 2}, []any{res.Succeeded, string(res.Results[0].Entry.Value), len(res.Results)})
	same(t, []string{"a=2", "b="}, b.list(everything))
}

// caseResults has every operation once, each on what the ones before it left.
func caseResults(t *testing.T, b bucket) {
	r := b.put("a", "1")
	res := b.do(
		kvbucket.OpGet("a"), kvbucket.OpGet("x"), kvbucket.OpExists("a"), kvbucket.OpExists("x"),
		kvbucket.OpPut("b", []byte("2")), kvbucket.OpCreate("c", []byte("3")), kvbucket.OpSetDefault("c", nil), kvbucket.OpSetDefault("d", []byte("4")),
		kvbucket.OpSwap("a", []byte("5")), kvbucket.OpSwap("e", []byte("6")), kvbucket.OpPutAll([]kvbucket.KV{{Key: "f"}, {Key: "g"}}),
		kvbucket.OpSetOwner("f", kvbucket.NoOwner()), kvbucket.OpCount(everything), kvbucket.OpKeys(kvbucket.Prefix("")), kvbucket.OpGetRange(upTo("c")),
		kvbucket.OpPop("a"), kvbucket.OpPop("a"), kvbucket.OpPopRange(kvbucket.Between("b", "d")), kvbucket.OpDelete("d"), kvbucket.OpDelete("d"),
		kvbucket.OpDeleteRange(kvbucket.Prefix("e")), kvbucket.OpDeleteRange(everything).WithKeys(), kvbucket.OpGetRange(everything), kvbucket.OpKeys(everything),
	)
	var got []string
	for _, one := range res.Results {
		got = append(got, resultLine(one))
	}
	same(t, []string{
		"a=1", "-", "true", "-",
		"-", "-", "c=3", "d=4",
		"a=1", "-", "-",
		"-", "7", "[a b c d e f g]", "[a=5 b=2]",
		"a=5", "-", "[b=2 c=3]", "1", "-",
		"1", "2 [f g]", "[]", "[]",
	}, got)
	e := res.Results[15].Entry // as its transaction left it there
	same(t, []uint64{r + 1, r, 2}, []uint64{e.Revision, e.Previous, e.Version})
	same(t, 0, b.count(everything))
	same(t, []string{"a=1", "-a"}, b.history("a"))
}

func resultLine(r kvbucket.Result) string {
	var out []string
	switch {
	case r.Exists:
		out = append(out, "true")
	case r.Entry != nil:
		out = append(out, entryLine(r.Entry))
	case r.Entries != nil:
		out = append(out, fmt.Sprint(lines(r.Entries)))
	}
	if r.Count > 0 {
		out = append(out, strconv.Itoa(r.Count))
	}
	if r.Keys != nil {
		out = append(out, fmt.Sprint(r.Keys))
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, " ")
}

func caseOneChangePerKey(t *testing.T, b bucket) {
	w := b.watch()
	w.want("caught up")
	res := b.do(kvbucket.OpPut("a", []byte("1")), kvbucket.OpGet("a"), kvbucket.OpPut("b", nil), kvbucket.OpPut("a", []byte("2")), kvbucket.OpGet("a"))
	same(t, [2]string{"1", "2"}, [2]string{string(res.Results[1].Entry.Value), string(res.Results[4].Entry.Value)})
	w.want("b= +", "a=2")
	same(t, []string{"a=2"}, b.history("a"))
	same(t, uint64(1), b.get("a").Version)
}

func caseBuckets(t *testing.T, b bucket) {
	other := openBucket(t, b.conn, "other")
	mine, theirs := b.watch(), other.watch()
	mine.want("caught up")
	theirs.want("caught up")
	move := kvbucket.Txn{
		If:   []kvbucket.Cond{kvbucket.KeyExists("a"), kvbucket.KeyMissing("a").In("other")},
		Then: []kvbucket.Op{kvbucket.OpPop("a"), kvbucket.OpPut("a", []byte("1")).In("other"), kvbucket.OpCount(everything).In("other")},
	}
	b.put("a", "1")
	res := b.commit(move)
	same(t, []any{true, 1}, []any{res.Succeeded, res.Results[2].Count})
	same(t, false, b.commit(move).Succeeded)
	mine.want("a=1", "-a")
	theirs.want("a=1")
	same(t, []uint64{res.Revision, 0}, []uint64{other.get("a").Revision, uint64(b.count(everything))})
}

func caseAllOrNothing(t *testing.T, b bucket) {
	o := b.register("o")
	r := b.put("a", "1", o)
	before := b.revision()
	begin := []kvbucket.Op{
		kvbucket.OpPut("a", []byte("2"), kvbucket.NoOwner()), kvbucket.OpPut("b", nil, kvbucket.TTL(kvbucket.MinTTL)), kvbucket.OpDelete("a"),
		kvbucket.OpPut("a", []byte("3")), kvbucket.OpPut("c", nil).In("other"),
	}
	for _, c := range []struct {
		op       kvbucket.Op
		want     error
		revision uint64
	}{
		{kvbucket.OpCreate("b", nil), kvbucket.ErrExists, before + 1},
		{kvbucket.OpCreate("a", nil), kvbucket.ErrExists, before + 1},
		{kvbucket.OpPut("a", nil, kvbucket.IfRevision(r)), kvbucket.ErrRevision, before + 1},
		{kvbucket.OpDelete("x", kvbucket.IfRevision(r)), kvbucket.ErrRevision, 0},
		{kvbucket.OpSetOwner("x", o), kvbucket.ErrNotFound, before},
		{kvbucket.OpPut("x", nil, kvbucket.OwnedBy(kvbucket.Owner{ID: "nobody"})), kvbucket.ErrNoOwner, 0},
	} {
		_, err := b.Commit(b.ctx, kvbucket.Txn{Then: append(begin[:len(begin):len(begin)], c.op)})
		refused(t, err, c.want, c.revision)
		same(t, true, strings.HasPrefix(err.Error(), "operation 6: "))
		same(t, before, b.revision())
	}
	same(t, []string{"a=1"}, b.list(everything))
	same(t, [2]string{"1", "o"}, b.owned("a"))
	same(t, 0, openBucket(t, b.conn, "other").count(everything))
	b.end("o")
	same(t, 0, b.count(everything))
}

// caseOwnerOrder: ids in their order, each compared with each.
func caseOwnerOrder(t *testing.T, b bucket) {
	big := strings.Repeat("9", 60)
	ids := []string{"4_", "a", "a_0", "a_02", "a_2", "a_10", "a_" + big, "a_1" + big, "a_", "a__1", "a_b", "a_b_1", "b_0", "é_1"}
	for i, id := range ids {
		b.put(strconv.Itoa(i), "", b.register(id))
	}
	for i := range ids {
		for j, id := range ids {
			want := whenEqual
			if i < j {
				want = whenLess
			} else if i > j {
				want = whenMore
			}
			got := b.holding(func(o kvbucket.Operator) kvbucket.Cond { return kvbucket.OwnerIs(strconv.Itoa(i), o, id) })
			if got != want {
				t.Errorf("owner %q against %q: want %q, got %q", ids[i], id, want, got)
			}
		}
	}
}
