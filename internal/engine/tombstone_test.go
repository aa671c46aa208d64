package engine_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// many is the request of the verbs that write many keys at once.
type many struct {
	From, To int
	Fail     bool
}

func manyLayer(c *engine.Config) {
	each := func(in *many, fn func(key string)) (any, error) {
		for i := in.From; i < in.To; i++ {
			fn(fmt.Sprint("k", i))
		}
		if in.Fail {
			return nil, bus.NewError(bus.CodeUsage, "asked to fail")
		}
		return nil, nil
	}
	c.Layers = append(c.Layers, engine.Layer{Name: "many", Procedures: []engine.Procedure{
		engine.Write("puts", nil, func(tx *engine.Tx, in *many) (any, error) {
			return each(in, func(key string) { tx.Put("b", key, nil) })
		}),
		engine.Write("deletes", nil, func(tx *engine.Tx, in *many) (any, error) {
			return each(in, func(key string) { tx.Delete("b", key, bus.ReasonDeleted) })
		}),
	}})
}

// bury makes n tombstones, the oldest that of k0.
func (b *bed) bury(n int) {
	const step = 1 << 14
	for i := 0; i < n; i += step {
		for _, verb := range []string{"puts", "deletes"} {
			if res := b.ask(verb, many{From: i, To: min(i+step, n)}); res.Error != nil {
				b.t.Fatal(res.Error)
			}
		}
	}
}

// TestCollect: the oldest tombstones go beyond the bound; what their keys held
// before is compacted, never absent, also when such a key is there again; and
// the fold of the log collects the same, wherever the records are cut and
// whatever was rolled back.
func TestCollect(t *testing.T) {
	t.Parallel()
	const first, end = engine.MaxTombstones, engine.MaxTombstones + 2 // live keys
	gate := make(chan struct{}, 1)
	b := newBed(t, manyLayer, failing(func(data []byte) enginetest.Fault {
		if bytes.Contains(data, []byte("gate")) {
			<-gate // the engine stands still
		}
		return enginetest.None
	}))
	b.bury(engine.MaxTombstones)
	b.ask("puts", many{From: first, To: end})

	b.ask("deletes", many{From: first, To: end, Fail: true})
	b.must("put", kvReq{Key: "x"})
	if again := b.put("k0"); again.Previous == 0 {
		t.Errorf("a transaction that failed collected a tombstone: %+v", again)
	}
	b.together(gate, "deletes", many{From: first, To: end}, "puts", many{From: 1, To: 2})
	if c := b.e.Snapshot().Get("b", "k1"); c.Previous == 0 {
		t.Errorf("a tombstone was collected in the middle of a record: %+v", c)
	}
	b.ask("puts", many{From: first + 2, To: end + 2})
	b.ask("deletes", many{From: first + 2, To: end + 2})
	again := b.put("k2")
	if again.Previous != 0 {
		t.Errorf("the oldest tombstone was not collected: %+v", again)
	}
	if _, err := b.e.Snapshot().GetAt(1, "b", "k2"); bus.CodeOf(err) != bus.CodeCompacted {
		t.Errorf("want compacted, got %v", err)
	}
	if c, err := b.e.Snapshot().GetAt(again.Revision-1, "b", "k2"); c != nil || err != nil {
		t.Errorf("want no key, got %v %v", c, err)
	}
} // the bed compares the state with the fold of the log

func (b *bed) put(key string) *bus.Change {
	b.t.Helper()
	b.must("put", kvReq{Key: key})
	return b.e.Snapshot().Get("b", key)
}

// together has two requests evaluated in one round.
func (b *bed) together(gate chan struct{}, verb1 string, in1 many, verb2 string, in2 many) {
	b.t.Helper()
	var wg sync.WaitGroup
	submit := func(verb string, in any) {
		body, err := bus.Marshal(in)
		if err != nil {
			b.t.Fatal(err)
		}
		wg.Add(1)
		b.e.Submit("u", verb, &bus.Request{Body: body}, func(*bus.Response) { wg.Done() })
	}
	submit("put", kvReq{Key: "gate"})
	submit(verb1, in1)
	submit(verb2, in2)
	gate <- struct{}{}
	wg.Wait()
}
