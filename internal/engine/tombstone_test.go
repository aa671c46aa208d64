package engine_test

import (
	"bytes"
	"context"
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

// TestCollectedKeyIsCompacted: what a key held before its tombstone was
// collected is compacted, never absent, also when the key is there again.
func TestCollectedKeyIsCompacted(t *testing.T) {
	t.Parallel()
	b := newBed(t, manyLayer)
	b.bury(engine.MaxTombstones + 1)
	again := b.must("put", kvReq{Key: "k0", Value: "again"})
	if _, err := b.e.Snapshot().GetAt(1, "b", "k0"); bus.CodeOf(err) != bus.CodeCompacted {
		t.Fatalf("want compacted, got %v", err)
	}
	if c, err := b.e.Snapshot().GetAt(again.Revision-1, "b", "k0"); c != nil || err != nil {
		t.Fatalf("want no key, got %v %v", c, err)
	}
}

// TestCollectIsReplayed: the fold of the log collects the tombstones that the
// engine collected, wherever the records are cut and whatever was rolled back.
func TestCollectIsReplayed(t *testing.T) {
	t.Parallel()
	const first, end = engine.MaxTombstones, engine.MaxTombstones + 2 // live keys
	for name, test := range map[string]func(*bed, chan struct{}){
		"in one round": func(b *bed, gate chan struct{}) {
			b.together(gate, "deletes", many{From: first, To: end}, "puts", many{To: 1})
		},
		"rolled back": func(b *bed, _ chan struct{}) {
			b.ask("deletes", many{From: first, To: end, Fail: true})
			b.must("put", kvReq{Key: "x"})
			b.ask("puts", many{To: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := make(chan struct{}, 1)
			b := newBed(t, manyLayer, failing(func(data []byte) enginetest.Fault {
				if bytes.Contains(data, []byte("gate")) {
					<-gate // the engine stands still
				}
				return enginetest.None
			}))
			b.bury(engine.MaxTombstones)
			b.ask("puts", many{From: first, To: end})
			test(b, gate)
			if _, err := b.e.CheckLog(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
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
