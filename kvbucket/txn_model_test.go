package kvbucket_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// shownOf leaves of a result what the oracle knows.
func shownOf(r kvbucket.Result) kvbucket.Result {
	bare := func(e *kvbucket.Entry) *kvbucket.Entry {
		if e == nil {
			return nil
		}
		owner := e.Owner
		if strings.HasPrefix(owner, ownerOfTTL) {
			owner = ownerOfTTL
		}
		return &kvbucket.Entry{Key: e.Key, Value: e.Value, Owner: owner, Revision: e.Revision, Version: e.Version}
	}
	r.Entry, r.Entries = bare(r.Entry), slices.Clone(r.Entries)
	for i, e := range r.Entries {
		r.Entries[i] = bare(e)
	}
	return r
}

var (
	drawnKeys   = []string{"a", "b", "b\x00", "ba", "c"}
	drawnOwners = []string{"o_1", "o_2", "o_3"}
	readers     = []string{"get", "exists", "getrange", "count", "keys"}
	writers     = []string{"put", "put", "setowner", "create", "setdefault", "swap", "putall", "pop", "delete", "poprange", "deleterange", "deletekeys"}
)

// drawing makes calls and questions of the state that there is.
type drawing struct {
	*rapid.T
	o       *oracle
	buckets []string
	names   []string
}

func (d drawing) place() place {
	return place{rapid.SampledFrom(d.buckets).Draw(d.T, "bucket"), rapid.SampledFrom(drawnKeys).Draw(d.T, "key")}
}

func (d drawing) span() kvbucket.Range {
	from, to := rapid.SampledFrom(drawnKeys).Draw(d.T, "from"), rapid.SampledFrom(drawnKeys).Draw(d.T, "to")
	return rapid.SampledFrom([]kvbucket.Range{{}, {From: from}, {To: &to}, kvbucket.Between(from, to), kvbucket.Prefix(from)}).Draw(d.T, "range")
}

// number is one that stands in the state, or near it.
func (d drawing) number(is uint64) uint64 {
	return rapid.SampledFrom([]uint64{0, 1, is, is, is + 1, d.o.revision, d.o.revision + 1}).Draw(d.T, "number")
}

func (d drawing) call() call {
	name := rapid.SampledFrom(d.names).Draw(d.T, "operation")
	c := call{name: name, at: d.place()}
	switch name {
	case "getrange", "count", "keys", "poprange", "deleterange", "deletekeys":
		c.span = d.span()
		return c
	case "putall":
		c.others = rapid.SliceOfNDistinct(rapid.SampledFrom(drawnKeys), 1, 4, rapid.ID).Draw(d.T, "keys")
	}
	c.value = rapid.StringOfN(rapid.RuneFrom([]rune("xy")), 0, 2, -1).Draw(d.T, "value")
	owners := append([]string{"", ownerOfTTL}, drawnOwners...)
	if name == "setowner" || rapid.IntRange(0, 2).Draw(d.T, "owned") == 0 {
		id := rapid.SampledFrom(owners).Draw(d.T, "owner")
		c.owner = &id
	}
	if (name == "put" || name == "delete" || name == "setowner") && rapid.IntRange(0, 3).Draw(d.T, "conditional") == 0 {
		n := d.number(d.o.rows[c.at].revision)
		c.is = &n
	}
	return c
}

func (d drawing) question() question {
	q := question{
		name: rapid.SampledFrom([]string{"exists", "missing", "registered", "owner", "value", "revision", "version"}).Draw(d.T, "condition"),
		at:   d.place(), op: rapid.SampledFrom(operators).Draw(d.T, "operator"),
	}
	switch q.name {
	case "owner":
		q.text = rapid.SampledFrom(append([]string{""}, drawnOwners...)).Draw(d.T, "owner")
		if q.text == "" && q.op != kvbucket.NotEqual {
			q.op = kvbucket.Equal
		}
	case "registered":
		q.text = rapid.SampledFrom(drawnOwners).Draw(d.T, "owner")
	case "value":
		q.text = rapid.SampledFrom([]string{"", "x", "y", "xy", d.o.rows[q.at].value}).Draw(d.T, "value")
	case "revision":
		q.number = d.number(d.o.rows[q.at].revision)
	case "version":
		q.number = d.number(d.o.rows[q.at].version)
	}
	return q
}

// TestOperationsModel compares every operation, transactions of them, and the
// ends of owners with the oracle, step by step, and what is watched with what
// was done. It covers K01 to K09, K12, K13, K17, K18 and K19 beyond their tables.
func TestOperationsModel(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	c := h.direct(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++ // all runs share the host: each has buckets of its own
		m := newModelRun(t, c, fmt.Sprintf("run%d-a", runs), fmt.Sprintf("run%d-b", runs))
		defer m.close()
		rt.Repeat(map[string]func(*rapid.T){
			"transaction": m.transaction,
			"method":      m.method,
			"register":    m.register,
			"end":         m.end,
			"update":      m.update,
			"":            m.compare,
		})
	})
}

// modelRun is the buckets of one run, their watches, and their oracle.
type modelRun struct {
	o       *oracle
	buckets []bucket
	watches []watch
}

func newModelRun(t *testing.T, c *bus.Conn, names ...string) *modelRun {
	m := &modelRun{o: &oracle{rows: map[place]row{}, owners: map[string]bool{}}}
	for _, name := range names {
		b := openBucket(t, c, name)
		w := b.watch()
		w.want("caught up")
		m.buckets, m.watches = append(m.buckets, b), append(m.watches, w)
	}
	m.o.revision = m.buckets[0].revision()
	return m
}

// close leaves no owner behind for the next run.
func (m *modelRun) close() {
	for id := range m.o.owners {
		m.buckets[0].end(id)
	}
	for _, w := range m.watches {
		w.Close()
	}
}

func (m *modelRun) draw(t *rapid.T) drawing {
	return drawing{t, m.o, []string{m.buckets[0].Name(), m.buckets[1].Name()}, slices.Concat(readers, writers)}
}

func (m *modelRun) transaction(t *rapid.T) {
	d, a := m.draw(t), m.o.begin()
	var txn kvbucket.Txn
	succeeded := true
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		q := d.question()
		succeeded = succeeded && a.holds(q)
		txn.If = append(txn.If, q.cond())
	}
	var calls []call
	for range rapid.IntRange(0, 6).Draw(t, "operations") {
		calls = append(calls, d.call())
	}
	for _, c := range calls {
		if succeeded {
			txn.Then = append(txn.Then, c.op())
		} else {
			txn.Else = append(txn.Else, c.op())
		}
	}
	res, err := m.buckets[0].Commit(m.buckets[0].ctx, txn)
	want, code, revision := a.all(calls)
	if m.failed(t, err, code, revision) {
		return
	}
	same(t, succeeded, res.Succeeded)
	m.done(t, a)
	same(t, m.o.revision, res.Revision)
	sameResults(t, want, res.Results)
}

// all does the calls in order until one fails.
func (a *attempt) all(calls []call) (out []kvbucket.Result, code bus.Code, revision uint64) {
	for _, c := range calls {
		r, code, revision := a.do(c)
		if code != "" {
			return nil, code, revision
		}
		out = append(out, r)
	}
	return out, "", 0
}

func sameResults(t failer, want, got []kvbucket.Result) {
	t.Helper()
	shown := make([]kvbucket.Result, len(got))
	for i, r := range got {
		shown[i] = shownOf(r)
	}
	if d := cmp.Diff(want, shown, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}

// failed compares how a call ended, and tells whether it failed.
func (m *modelRun) failed(t *rapid.T, err error, code bus.Code, revision uint64) bool {
	t.Helper()
	if bus.CodeOf(err) != code {
		t.Fatalf("want code %q, got %v", code, err)
	}
	if code != "" && code != bus.CodeNotFound {
		refused(t, err, bus.NewError(code, ""), revision)
	}
	return code != ""
}

// done makes an attempt the truth and compares what is watched with it.
func (m *modelRun) done(t *rapid.T, a *attempt) {
	t.Helper()
	revision := a.revision + 1
	want := make([][]string, len(m.watches))
	for i, w := range m.watches {
		want[i] = a.changes(w.b.Name())
	}
	a.commit()
	for i, w := range m.watches {
		var got []string
		for n := range want[i] {
			e := w.next()
			same(t, []any{revision, n < len(want[i])-1}, []any{e.Revision, e.More})
			got = append(got, entryLine(e.Entry))
		}
		slices.Sort(got)
		same(t, want[i], got)
	}
}

func (m *modelRun) method(t *rapid.T) {
	c, a := m.draw(t).call(), m.o.begin()
	b := m.buckets[slices.IndexFunc(m.buckets, func(b bucket) bool { return b.Name() == c.at.bucket })]
	r, err := c.method(b)
	want, code, revision := a.do(c)
	if m.failed(t, err, code, revision) {
		return
	}
	m.done(t, a)
	sameResults(t, []kvbucket.Result{want}, []kvbucket.Result{r})
}

func (m *modelRun) register(t *rapid.T) {
	id := rapid.SampledFrom(drawnOwners).Draw(t, "id")
	_, err := kvbucket.RegisterOwner(m.buckets[0].ctx, m.buckets[0].conn, id, 0, "")
	if m.o.owners[id] {
		same(t, bus.CodeExists, bus.CodeOf(err))
		return
	}
	check(t, err)
	m.o.owners[id] = true
	m.o.revision++
}

func (m *modelRun) end(t *rapid.T) {
	id := rapid.SampledFrom(drawnOwners).Draw(t, "id")
	err := kvbucket.EndOwner(m.buckets[0].ctx, m.buckets[0].conn, kvbucket.Owner{ID: id})
	if !m.o.owners[id] {
		same(t, bus.CodeNoOwner, bus.CodeOf(err))
		return
	}
	check(t, err)
	a := m.o.end(id)
	revision := m.o.revision + 1
	m.done(t, a)
	m.o.revision = revision // the registration itself is a change
}

func (m *modelRun) update(t *rapid.T) {
	p := m.draw(t).place()
	b, a := m.buckets[slices.IndexFunc(m.buckets, func(b bucket) bool { return b.Name() == p.bucket })], m.o.begin()
	e, err := b.Update(b.ctx, p.key, func(old *kvbucket.Entry) ([]byte, error) {
		sameResults(t, []kvbucket.Result{{Entry: a.entry(p)}}, []kvbucket.Result{{Entry: old}})
		return []byte("up"), nil
	})
	check(t, err)
	a.put(p, "up", nil)
	m.done(t, a)
	sameResults(t, []kvbucket.Result{{Entry: a.entry(p)}}, []kvbucket.Result{{Entry: e}})
}

// compare looks at everything there is.
func (m *modelRun) compare(t *rapid.T) {
	same(t, m.o.revision, m.buckets[0].revision())
	for _, b := range m.buckets {
		list, err := b.List(b.ctx, everything)
		check(t, err)
		sameResults(t, []kvbucket.Result{{Entries: m.o.begin().list(b.Name(), everything)}}, []kvbucket.Result{{Entries: list}})
	}
}
