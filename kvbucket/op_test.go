package kvbucket_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestOperations runs every case of operations, owners and transactions in
// process and over the network.
func TestOperations(t *testing.T) {
	t.Parallel()
	for transport, open := range map[string]func(*bed, *testing.T) *bus.Conn{"direct": (*bed).direct, "network": (*bed).network} {
		for _, c := range slices.Concat(operationCases(), ownerCases(), transactionCases()) {
			t.Run(transport+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, openBucket(t, open(newBed(t), t), "test"))
			})
		}
	}
}

// bucketCase is one case of a conformance suite.
type bucketCase struct {
	name string
	run  func(t *testing.T, b bucket)
}

func operationCases() []bucketCase {
	return []bucketCase{
		{"K01 fresh bucket", caseFreshOperations},
		{"K02 K03 count and keys", caseCount},
		{"K04 delete a prefix twice", caseDeletePrefix},
		{"K05 delete up to a key", caseDeleteTo},
		{"K20 a condition on an old revision", caseOldRevisionOfOperations},
		{"K22 count and keys of the past", casePastOperations},
		{"default", caseDefault},
		{"swap and set default", caseSwap},
		{"pop", casePop},
		{"clear", caseClear},
		{"limit and metadata", caseListOptions},
		{"too many keys", caseTooManyKeys},
		{"update", caseUpdate},
		{"operations are refused", caseRefusedOperations},
	}
}

var everything = kvbucket.Range{}

func upTo(to string) kvbucket.Range { return kvbucket.Range{To: &to} }

func (b bucket) count(r kvbucket.Range, opts ...kvbucket.ReadOption) int {
	b.t.Helper()
	n, err := b.Count(b.ctx, r, opts...)
	check(b.t, err)
	return n
}

func (b bucket) keys(r kvbucket.Range, opts ...kvbucket.ListOption) []string {
	b.t.Helper()
	keys, err := b.Keys(b.ctx, r, opts...)
	check(b.t, err)
	return keys
}

func (b bucket) exists(key string, opts ...kvbucket.ReadOption) bool {
	b.t.Helper()
	is, err := b.Exists(b.ctx, key, opts...)
	check(b.t, err)
	return is
}

func (b bucket) commit(txn kvbucket.Txn) *kvbucket.TxnResult {
	b.t.Helper()
	res, err := b.Commit(b.ctx, txn)
	check(b.t, err)
	return res
}

// do commits operations that have no condition.
func (b bucket) do(ops ...kvbucket.Op) *kvbucket.TxnResult {
	b.t.Helper()
	return b.commit(kvbucket.Txn{Then: ops})
}

func caseFreshOperations(t *testing.T, b bucket) {
	same(t, 0, b.count(everything))
	same(t, []string{}, b.keys(everything))
	same(t, false, b.exists("a"))
	n, err := b.Clear(b.ctx)
	check(t, err)
	same(t, 0, n)
	popped, err := b.PopRange(b.ctx, everything)
	check(t, err)
	same(t, []*kvbucket.Entry{}, popped)
	_, err = b.Pop(b.ctx, "a")
	refused(t, err, kvbucket.ErrNotFound, 0)
	same(t, uint64(0), b.revision())
}

func caseCount(t *testing.T, b bucket) {
	putD7(b)
	for _, c := range []struct {
		r    kvbucket.Range
		want int
	}{
		{everything, 7}, {kvbucket.Prefix(""), 7}, {kvbucket.Prefix("bar"), 4}, {kvbucket.Range{From: "bars"}, 5}, {upTo("bars"), 2},
		{kvbucket.Between("bars", "food"), 3}, {kvbucket.Between("foo", "bar"), 0}, {kvbucket.Between("", ""), 0}, {kvbucket.Prefix("x"), 0},
	} {
		same(t, c.want, b.count(c.r))
		same(t, c.want, len(b.keys(c.r)))
		res := b.do(kvbucket.OpCount(c.r), kvbucket.OpKeys(c.r), kvbucket.OpGetRange(c.r)).Results
		same(t, [3]int{c.want, c.want, c.want}, [3]int{res[0].Count, len(res[1].Keys), len(res[2].Entries)})
	}
	same(t, []string{"bars", "bart", "foo"}, b.keys(kvbucket.Between("bars", "food")))
}

func caseDeletePrefix(t *testing.T, b bucket) {
	for range 2 {
		putD7(b)
		for _, want := range []int{4, 0} {
			n, err := b.DeleteRange(b.ctx, kvbucket.Prefix("bar"))
			check(t, err)
			same(t, want, n)
		}
	}
	putD7(b)
	for _, want := range [][]string{{"bar", "barf", "bars", "bart"}, {}} {
		keys, err := b.DeleteRangeKeys(b.ctx, kvbucket.Prefix("bar"))
		check(t, err)
		same(t, want, keys)
	}
	same(t, []string{"foo", "food", "foodie"}, b.keys(everything))
}

func caseDeleteTo(t *testing.T, b bucket) {
	putD7(b)
	before, w := b.revision(), b.watch()
	w.want("caught up")
	n, err := b.DeleteRange(b.ctx, upTo("food"))
	check(t, err)
	same(t, 5, n)
	same(t, []string{"food", "foodie"}, b.keys(everything))
	same(t, before+1, b.revision())
	w.want("-bar +", "-barf +", "-bars +", "-bart +", "-foo")
}

func caseOldRevisionOfOperations(t *testing.T, b bucket) {
	old := b.put("a", "1")
	b.delete("a")
	now := b.put("a", "2")
	_, err := b.SetOwner(b.ctx, "a", kvbucket.NoOwner(), kvbucket.IfRevision(old))
	refused(t, err, kvbucket.ErrRevision, now)
	_, err = b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpPut("b", nil), kvbucket.OpPut("a", nil, kvbucket.IfRevision(old))}})
	refused(t, err, kvbucket.ErrRevision, now)
	_, err = b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpPut("b", nil), kvbucket.OpDelete("a", kvbucket.IfRevision(old))}})
	refused(t, err, kvbucket.ErrRevision, now)
	res := b.commit(kvbucket.Txn{If: []kvbucket.Cond{kvbucket.RevisionIs("a", kvbucket.Equal, old)}, Then: []kvbucket.Op{kvbucket.OpDelete("a")}})
	same(t, false, res.Succeeded)
	same(t, []string{"a=2"}, b.list(everything))
	same(t, uint64(1), b.get("a").Version)
}

func casePastOperations(t *testing.T, b bucket) {
	putD7(b)
	at := kvbucket.At(b.revision())
	b.put("bar", "new")
	_, err := b.Clear(b.ctx)
	check(t, err)
	b.put("z", "1")
	same(t, "a", string(b.get("bar", at).Value))
	same(t, 7, len(b.list(everything, at)))
	same(t, 4, b.count(kvbucket.Prefix("bar"), at))
	same(t, []string{"bars", "bart", "foo"}, b.keys(kvbucket.Between("bars", "food"), at))
	same(t, []string{"bar", "barf"}, b.keys(everything, at, kvbucket.Limit(2)))
	same(t, []bool{true, false, false}, []bool{b.exists("bar", at), b.exists("z", at), b.exists("bar")})
	same(t, 1, b.count(everything))
	_, err = b.Count(b.ctx, everything, kvbucket.At(b.revision()+1))
	same(t, bus.CodeUsage, bus.CodeOf(err))
}

func caseDefault(t *testing.T, b bucket) {
	d := kvbucket.Default([]byte("none"))
	want := &kvbucket.Entry{Bucket: "test", Key: "a", Value: []byte("none")}
	same(t, want, b.get("a", d))
	same(t, want, b.get("a", d, kvbucket.At(0)))
	e, err := b.Pop(b.ctx, "a", d)
	check(t, err)
	same(t, want, e)
	b.put("a", "1")
	same(t, "1", string(b.get("a", d).Value))
	e, err = b.Pop(b.ctx, "a", d)
	check(t, err)
	same(t, "1", string(e.Value))
	_, err = b.Get(b.ctx, "", d)
	same(t, true, errors.Is(err, kvbucket.ErrEmptyKey))
}

func caseSwap(t *testing.T, b bucket) {
	was, err := b.Swap(b.ctx, "a", []byte("1"))
	check(t, err)
	same(t, true, was == nil)
	was, err = b.Swap(b.ctx, "a", []byte("2"))
	check(t, err)
	same(t, []any{"1", uint64(1)}, []any{string(was.Value), was.Revision})
	for range 2 {
		is, err := b.SetDefault(b.ctx, "b", []byte("first"))
		check(t, err)
		same(t, []any{"first", uint64(3)}, []any{string(is.Value), is.Revision})
	}
	is, err := b.SetDefault(b.ctx, "a", nil)
	check(t, err)
	same(t, "2", string(is.Value))
	same(t, uint64(3), b.revision())
}

func casePop(t *testing.T, b bucket) {
	putD7(b)
	e, err := b.Pop(b.ctx, "foo")
	check(t, err)
	same(t, []any{"e", uint64(5), bus.OpPut}, []any{string(e.Value), e.Revision, e.Op})
	_, err = b.Pop(b.ctx, "foo")
	refused(t, err, kvbucket.ErrNotFound, 8)
	list, err := b.PopRange(b.ctx, kvbucket.Between("barf", "food"))
	check(t, err)
	same(t, []string{"barf=b", "bars=c", "bart=d"}, lines(list))
	same(t, []string{"bar", "food", "foodie"}, b.keys(everything))
	same(t, uint64(9), b.revision())
}

func caseClear(t *testing.T, b bucket) {
	putD7(b)
	other := openBucket(t, b.conn, "other")
	other.put("a", "1")
	n, err := b.Clear(b.ctx)
	check(t, err)
	same(t, 7, n)
	same(t, 0, b.count(everything))
	same(t, 1, other.count(everything))
}

func caseListOptions(t *testing.T, b bucket) {
	putD7(b)
	same(t, []string{"bar=a", "barf=b"}, b.list(everything, kvbucket.Limit(2)))
	same(t, 7, len(b.list(everything, kvbucket.Limit(0))))
	same(t, []string{"bars=", "bart="}, b.list(kvbucket.Range{From: "bars"}, kvbucket.Limit(2), kvbucket.MetaOnly()))
	e := b.get("foo", kvbucket.MetaOnly(), kvbucket.Serializable())
	same(t, []any{0, uint64(5), uint64(1)}, []any{len(e.Value), e.Revision, e.Version})
	r := b.do(kvbucket.OpGet("foo").MetaOnly(), kvbucket.OpGetRange(everything).MetaOnly()).Results
	same(t, []any{0, uint64(5), 7}, []any{len(r[0].Entry.Value), r[0].Entry.Revision, len(r[1].Entries)})
	same(t, "e", string(b.get("foo").Value))
}

// caseTooManyKeys has more keys than one transaction changes, and more than a
// page.
func caseTooManyKeys(t *testing.T, b bucket) {
	const batches = engine.MaxChanges/kvbucket.MaxOperations + 1
	for i := range batches {
		kvs := make([]kvbucket.KV, kvbucket.MaxOperations)
		for j := range kvs {
			kvs[j].Key = fmt.Sprintf("k%03d-%03d", i, j)
		}
		_, err := b.PutAll(b.ctx, kvs)
		check(t, err)
	}
	const all = batches * kvbucket.MaxOperations
	same(t, all, b.count(everything))
	same(t, all, len(b.keys(everything)))
	same(t, 30_000, len(b.keys(everything, kvbucket.Limit(30_000))))
	same(t, 10_000, len(b.list(everything, kvbucket.Limit(10_000))))
	for _, err := range []error{
		second(b.Clear(b.ctx)), second(b.DeleteRangeKeys(b.ctx, everything)), second(b.PopRange(b.ctx, everything)),
	} {
		refused(t, err, kvbucket.ErrTooLarge, 0)
	}
	same(t, all, b.count(everything))
	n, err := b.DeleteRange(b.ctx, upTo("k100"))
	check(t, err)
	same(t, 100*kvbucket.MaxOperations, n)
}

func second[T any](_ T, err error) error { return err }

func caseUpdate(t *testing.T, b bucket) {
	double := func(old *kvbucket.Entry) ([]byte, error) {
		if old == nil {
			return []byte("x"), nil
		}
		return append(old.Value[:len(old.Value):len(old.Value)], old.Value...), nil
	}
	for _, want := range []string{"x", "xx", "xxxx"} {
		e, err := b.Update(b.ctx, "a", double)
		check(t, err)
		same(t, want, string(e.Value))
		same(t, b.get("a"), e)
	}
	// Somebody else writes between the read and the write, once.
	tries := 0
	e, err := b.Update(b.ctx, "a", func(old *kvbucket.Entry) ([]byte, error) {
		if tries++; tries == 1 {
			b.put("a", "y")
		}
		return double(old)
	})
	check(t, err)
	same(t, []any{"yy", 2}, []any{string(e.Value), tries})
	// Somebody else deletes it.
	tries = 0
	e, err = b.Update(b.ctx, "a", func(old *kvbucket.Entry) ([]byte, error) {
		if tries++; tries == 1 {
			b.delete("a")
		}
		return double(old)
	})
	check(t, err)
	same(t, []any{"x", uint64(1), 2}, []any{string(e.Value), e.Version, tries})
	_, err = b.Update(b.ctx, "a", func(*kvbucket.Entry) ([]byte, error) { return nil, errStop })
	same(t, true, errors.Is(err, errStop))
	_, err = b.Update(b.ctx, "", double)
	same(t, true, errors.Is(err, kvbucket.ErrEmptyKey))
	_, err = b.Update(b.ctx, "a", func(*kvbucket.Entry) ([]byte, error) { return make([]byte, kvbucket.MaxValue+1), nil })
	refused(t, err, kvbucket.ErrTooLarge, 0)
	same(t, "x", string(b.get("a").Value))
}

// caseRefusedOperations: each is refused, by the client and as a request of a
// client that checks nothing, and changes nothing.
func caseRefusedOperations(t *testing.T, b bucket) {
	long := strings.Repeat("k", kvbucket.MaxKey+1)
	for _, key := range []string{"", "\xff", long} {
		for i, err := range []error{
			second(b.Exists(b.ctx, key)), second(b.Swap(b.ctx, key, nil)), second(b.SetDefault(b.ctx, key, nil)), second(b.Pop(b.ctx, key)),
			second(b.SetOwner(b.ctx, key, kvbucket.NoOwner())), second(b.Update(b.ctx, key, nil)),
		} {
			if bus.CodeOf(err) != bus.CodeUsage {
				t.Errorf("key %.4q, call %d: want a usage error, got %v", key, i, err)
			}
		}
	}
	for _, put := range []error{
		second(b.Put(b.ctx, "a", make([]byte, kvbucket.MaxValue+1))), second(b.Swap(b.ctx, "a", make([]byte, kvbucket.MaxValue+1))),
		second(b.SetDefault(b.ctx, "a", make([]byte, kvbucket.MaxValue+1))),
	} {
		refused(t, put, kvbucket.ErrTooLarge, 0)
	}
	same(t, uint64(0), b.revision())
}
