package engine_test

import (
	"fmt"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// rewriteLayer writes n keys, rounds times over, in one transaction.
func rewriteLayer(c *engine.Config) {
	type in struct{ N, Rounds int }
	c.Layers = append(c.Layers, engine.Layer{Name: "rewrite", Procedures: []engine.Procedure{
		engine.Write("rewrite", nil, func(tx *engine.Tx, in *in) (any, error) {
			for r := range in.Rounds {
				for i := range in.N {
					tx.Put("b", fmt.Sprint("k", i), fmt.Append(nil, r))
				}
			}
			return nil, nil
		}),
	}})
}

// TestRewriteManyKeys: a transaction that writes all its keys again and again
// changes each once, to the last value, and takes time in proportion.
func TestRewriteManyKeys(t *testing.T) {
	t.Parallel()
	const n, rounds = 30_000, 10 // minutes, if each took a walk over the others
	b := newBed(t, rewriteLayer)
	if res := b.ask("rewrite", []any{n, rounds}); res.Error != nil {
		t.Fatal(res.Error)
	}
	s, keys := b.e.Snapshot(), 0
	s.Range("b", "", nil, func(c *bus.Change) bool {
		keys++
		if string(c.Value) != fmt.Sprint(rounds-1) || c.Version != 1 || c.Parts != n || c.Revision != 1 {
			t.Errorf("%+v", c)
		}
		return !t.Failed()
	})
	if keys != n {
		t.Errorf("want %d keys, got %d", n, keys)
	}
}

// TestTooManyChanges: a transaction beyond MaxChanges is refused whole, as
// soon as it goes over.
func TestTooManyChanges(t *testing.T) {
	t.Parallel()
	b := newBed(t, rewriteLayer)
	if res := b.ask("rewrite", []any{engine.MaxChanges, 2}); res.Error != nil {
		t.Errorf("at the bound: %v", res.Error)
	}
	before := b.e.Snapshot().Revision()
	res := b.ask("rewrite", []any{1 << 40, 1})
	if res.Error == nil || res.Error.Code != bus.CodeTooLarge || res.Error.Hint == "" {
		t.Errorf("want too large and what to do, got %+v", res.Error)
	}
	if is := b.e.Snapshot().Revision(); is != before || b.live() != engine.MaxChanges {
		t.Errorf("it left something: revision %d after %d, %d keys", is, before, b.live())
	}
}
