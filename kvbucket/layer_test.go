package kvbucket_test

import (
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestK23 is K23 as it stands: history 2, ten puts. After a restart the
// engine has the history only, and says the same.
func TestK23(t *testing.T) {
	t.Parallel()
	caseCompacted(t, openBucket(t, newBed(t).network(t), bucketOfTwo), 2)
	h := newBed(t)
	b := openBucket(t, h.network(t), bucketOfTwo)
	for range 10 {
		b.put("a", "v")
	}
	h.restart(t)
	_, err := b.Get(b.ctx, "a", kvbucket.At(3))
	refused(t, err, kvbucket.ErrCompacted, 9)
	_, err = b.watch(kvbucket.Since(3)).Next(b.ctx)
	refused(t, err, kvbucket.ErrCompacted, 9)
	b.watch(kvbucket.Since(9)).want("a=v", "a=v", "caught up")
	b.watch(kvbucket.FromStart()).want("a=v", "a=v", "caught up")
}

// TestWatchGoesOnPastTheWindow: what a watch has begun with is not taken away
// from it while it is away, for as long as the engine remembers.
func TestWatchGoesOnPastTheWindow(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).network(t), bucketOfTwo)
	w := b.watch(kvbucket.Since(1), kvbucket.Buffer(1, 1<<20))
	w.want("caught up")
	for range 10 {
		b.put("a", "v")
	}
	for i := range uint64(10) {
		same(t, i+1, w.next().Revision)
	}
}

// TestBacklogOfManyPages reads more than one page, from a window and from what
// the engine remembers.
func TestBacklogOfManyPages(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	const batches, each = 2*engine.PageChanges/kvbucket.MaxOperations + 3, kvbucket.MaxOperations
	kvs := make([]kvbucket.KV, each)
	for i := range kvs {
		kvs[i].Key = string(rune(i + 0x1000))
	}
	for range batches {
		_, err := b.PutAll(b.ctx, kvs)
		check(t, err)
	}
	for _, opts := range [][]kvbucket.WatchOption{{kvbucket.Since(batches - engine.DefaultHistory + 1)}, {kvbucket.FromStart()}} {
		w := b.watch(opts...)
		for r := uint64(batches - engine.DefaultHistory + 1); r <= batches; r++ {
			for i := range each {
				e := w.next()
				if e.Revision != r || e.Entry.Key != kvs[i].Key {
					t.Fatalf("want %q of revision %d, got %q of %d", kvs[i].Key, r, e.Entry.Key, e.Revision)
				}
			}
		}
		w.want("caught up")
	}
}

// TestReadOnlyBucket: a layer's bucket is read and watched, and not written,
// whether the layer is there or not.
func TestReadOnlyBucket(t *testing.T) {
	t.Parallel()
	c := newBed(t).network(t)
	b := openBucket(t, c, bucketOfLWJ)
	w := b.watch(kvbucket.Keys("1.state"))
	w.want("caught up")
	check(t, c.Call(b.ctx, "lwj.put", []any{"1.state", "submitted"}, nil))
	w.want("1.state=submitted key:1.state")
	same(t, []string{"1.state=submitted"}, b.list(kvbucket.Range{}))
	_, put := b.Put(b.ctx, "1.state", nil)
	_, create := b.Create(b.ctx, "2.state", nil)
	_, all := b.PutAll(b.ctx, []kvbucket.KV{{Key: "1.state"}})
	_, del := b.Delete(b.ctx, "1.state")
	for _, err := range []error{put, create, all, del} {
		refused(t, err, kvbucket.ErrDenied, 0)
		same(t, "bucket lwj is written by the lwj layer only", err.Error())
	}
	for name, layer := range map[string]string{"lwj-fifo": "lwj", bucketOfKept: "kept"} {
		_, err := openBucket(t, c, name).Put(b.ctx, "a", nil)
		refused(t, err, kvbucket.ErrDenied, 0)
		same(t, "bucket "+name+" is written by the "+layer+" layer only", err.Error())
	}
	same(t, uint64(1), b.revision())
}

// TestHostRefuses sends what no client of this package would.
func TestHostRefuses(t *testing.T) {
	t.Parallel()
	c := newBed(t).direct(t)
	b := openBucket(t, c, "test")
	long := string(make([]byte, kvbucket.MaxKey+1))
	many := make([]string, kvbucket.MaxFilters+1)
	for _, r := range []struct {
		verb string
		in   any
		want bus.Code
	}{
		{"kv.put", []any{"_owner", "a", []byte("1")}, bus.CodeUsage},
		{"kv.put", []any{"test", "", []byte("1")}, bus.CodeUsage},
		{"kv.put", []any{"test", "\xff", []byte("1")}, bus.CodeUsage},
		{"kv.put", []any{"test", long, []byte("1")}, bus.CodeUsage},
		{"kv.put", []any{"test", "a", make([]byte, kvbucket.MaxValue+1)}, bus.CodeTooLarge},
		{"kv.put", []any{"test", "a"}, bus.CodeMalformed},
		{"kv.put", "test", bus.CodeMalformed},
		{"kv.putall", []any{"test", []string{"a", "b"}, [][]byte{nil}}, bus.CodeMalformed},
		{"kv.putall", []any{"test", []string{"a", "a"}, [][]byte{nil, nil}}, bus.CodeUsage},
		{"kv.putall", []any{"test", make([]string, 513), make([][]byte, 513)}, bus.CodeTooLarge},
		{"kv.putall", []any{"_owner", []string{"a"}, [][]byte{nil}}, bus.CodeUsage},
		{"kv.put", []any{"test", "a", nil, nil, false, nil, true}, bus.CodeUsage},
		{"kv.put", []any{"test", "a", nil, nil, false, []any{9}}, bus.CodeUsage},
		{"kv.put", []any{"test", "a", nil, 1, true}, bus.CodeUsage},
		{"kv.putall", []any{"test", []string{"a"}, [][]byte{nil}, []any{2, ""}}, bus.CodeUsage},
		{"kv.txn", []any{nil, nil}, bus.CodeMalformed},
		{"kv.txn", []any{nil, []any{nil}, nil}, bus.CodeUsage},
		{"kv.txn", []any{nil, []any{[]any{6, "", "a"}}, nil}, bus.CodeUsage},
		{"kv.txn", []any{nil, nil, []any{[]any{99, "test", "a"}}}, bus.CodeUsage},
		{"kv.txn", []any{nil, []any{[]any{11, "test", "", nil, nil, nil, nil, false, false, []string{"a"}}}, nil}, bus.CodeMalformed},
		{"kv.txn", []any{[]any{[]any{99, "test", "a", "==", nil, 0}}, nil, nil}, bus.CodeUsage},
		{"kv.txn", []any{[]any{[]any{1, "test", "a", "<", nil, 0}}, nil, nil}, bus.CodeUsage},
		{"kv.txn", []any{[]any{[]any{6, "", "o", "<", nil, 0}}, nil, nil}, bus.CodeUsage},
		{"kv.txn", []any{nil, make([]any, 513), nil}, bus.CodeUsage},
		{"kv.keys", []any{"_owner", "", nil}, bus.CodeUsage},
		{"kv.count", []any{"_owner", "", nil}, bus.CodeUsage},
		{"kv.delete", []any{"_owner", "a"}, bus.CodeUsage},
		{"kv.delete", []any{"test", ""}, bus.CodeUsage},
		{"kv.get", []any{"_owner", "a"}, bus.CodeUsage},
		{"kv.get", []any{"test", ""}, bus.CodeUsage},
		{"kv.range", []any{"_owner", "", nil}, bus.CodeUsage},
		{"kv.history", []any{"test", ""}, bus.CodeUsage},
		{"kv.await", []any{"test", []string{""}}, bus.CodeUsage},
		{"kv.await", []any{"test", nil}, bus.CodeUsage},
		{"kv.await", []any{"test", many[:kvbucket.MaxOperations+1]}, bus.CodeTooLarge},
		{"kv.versions", []any{"test", []string{"a"}, nil}, bus.CodeMalformed},
		{"kv.versions", []any{"test", many, make([]uint64, len(many))}, bus.CodeTooLarge},
		{"kv.versions", []any{"_owner", []string{"a"}, []uint64{1}}, bus.CodeUsage},
		{"kv.replay", []any{"_owner", 1}, bus.CodeUsage},
		{"kv.replay", []any{"test", 1, false, false, many}, bus.CodeTooLarge},
	} {
		if err := c.Call(b.ctx, r.verb, r.in, nil); bus.CodeOf(err) != r.want {
			t.Errorf("%s %.60v: want %s, got %v", r.verb, r.in, r.want, err)
		}
	}
	same(t, uint64(0), b.revision())
	check(t, c.Call(b.ctx, "kv.put", []any{"test", "a", []byte("1"), nil, false, nil, false, "a field of a later version"}, nil))
	same(t, []string{"a=1"}, b.list(kvbucket.Range{}))
}
