package kvbucket_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestK26 loses the acknowledgement of a write on its ways back: it is applied
// once, and the caller learns its revision.
func TestK26(t *testing.T) {
	t.Parallel()
	writes := map[string]func(b bucket) (uint64, error){
		"kv.put": func(b bucket) (uint64, error) { return b.Put(b.ctx, "a", []byte("2"), kvbucket.IfRevision(1)) },
		"kv.putall": func(b bucket) (uint64, error) {
			return b.PutAll(b.ctx, []kvbucket.KV{{Key: "a", Value: []byte("2")}, {Key: "b", Value: []byte("2")}})
		},
		"kv.delete": func(b bucket) (uint64, error) {
			ok, err := b.Delete(b.ctx, "a", kvbucket.IfRevision(1))
			if !ok {
				b.t.Error("delete: want true, got false")
			}
			return 2, err
		},
		"kv.txn": func(b bucket) (uint64, error) {
			res, err := b.Commit(b.ctx, kvbucket.Txn{
				If:   []kvbucket.Cond{kvbucket.VersionIs("a", kvbucket.Equal, 1)},
				Then: []kvbucket.Op{kvbucket.OpPop("a"), kvbucket.OpPut("b", []byte("2")).In("other")},
			})
			if err != nil {
				return 0, err
			}
			same(b.t, []any{true, "a=1"}, []any{res.Succeeded, entryLine(res.Results[0].Entry)}) // as it was, however often it is asked
			return res.Revision, nil
		},
		"kv.txn of an update": func(b bucket) (uint64, error) {
			calls := 0
			e, err := b.Update(b.ctx, "a", func(old *kvbucket.Entry) ([]byte, error) {
				calls++
				return append([]byte("2"), old.Value...), nil
			})
			if err != nil {
				return 0, err
			}
			same(b.t, []any{1, "a=21"}, []any{calls, entryLine(e)})
			return e.Revision, nil
		},
		"kv.txn of a swap": func(b bucket) (uint64, error) {
			was, err := b.Swap(b.ctx, "a", []byte("2"))
			if err == nil {
				same(b.t, "a=1", entryLine(was))
			}
			return 2, err
		},
	}
	for name, write := range writes {
		verb, _, _ := strings.Cut(name, " ")
		t.Run(name+" between host and client", func(t *testing.T) {
			t.Parallel()
			h := newBed(t)
			b := openBucket(t, h.connect(t, bus.Config{TryTimeout: 50 * time.Millisecond}), "test")
			b.put("a", "1")
			var lost atomic.Int32
			lose := func(v string) bool { return v == verb && lost.Add(1) <= 2 }
			h.lose.Store(&lose)
			appliedOnce(t, b, write)
			same(t, true, lost.Load() > 2)
		})
		for how, fault := range map[string]enginetest.Fault{"stored": enginetest.LoseAck, "not stored": enginetest.LoseWrite} {
			t.Run(name+" between log and host, "+how, func(t *testing.T) {
				t.Parallel()
				h := newBed(t)
				var appends atomic.Int32
				h.log.Fail = func(uint64, []byte) enginetest.Fault {
					if appends.Add(1) == 3 { // the epoch's record and the first put come before
						return fault
					}
					return enginetest.None
				}
				h.restart(t)
				b := openBucket(t, h.network(t), "test")
				b.put("a", "1")
				appliedOnce(t, b, write)
				same(t, true, appends.Load() >= 3) // a write that is found is answered before the new epoch is appended
			})
		}
	}
}

func appliedOnce(t *testing.T, b bucket, write func(bucket) (uint64, error)) {
	t.Helper()
	r, err := write(b)
	check(t, err)
	same(t, uint64(2), r)
	same(t, uint64(2), b.revision())
	same(t, 2, len(b.history("a")))
}

// TestRestart stops the engine under a client: what was written is there,
// transactions whole, and a watch goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	w, key := b.watch(), b.watch(kvbucket.Keys("a"))
	w.want("caught up")
	key.want("caught up")
	for i, want := range []string{"1", "2", "3"} {
		r, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a", Value: []byte(want)}, {Key: "b", Value: []byte(want)}})
		check(t, err)
		same(t, uint64(i+1), r)
		h.restart(t)
		same(t, []string{"a=" + want, "b=" + want}, b.list(kvbucket.Range{}))
		w.want("a="+want+" +", "b="+want)
		key.want("a=" + want + " key:a")
	}
	b.watch(kvbucket.FromStart()).want("a=1 +", "b=1", "a=2 +", "b=2", "a=3 +", "b=3", "caught up")
	same(t, []string{"a=1", "a=2", "a=3"}, b.history("a"))
	same(t, []string{"a=1", "b=1"}, b.list(kvbucket.Range{}, kvbucket.At(1)))
	_, err := b.Put(b.ctx, "a", nil, kvbucket.IfRevision(2))
	refused(t, err, kvbucket.ErrRevision, 3)
}
