package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// largeAnswerBytes is what one answer of the verb "large" has.
const largeAnswerBytes = 1 << 20

// large adds a verb that counts and answers a lot.
func large(c *engine.Config) {
	c.Layers = append(c.Layers, engine.Layer{Name: "large", Procedures: []engine.Procedure{
		engine.Write("large", nil, func(tx *engine.Tx, _ *kvReq) (any, error) {
			var n byte
			if c := tx.Get("b", "n"); c != nil {
				n = c.Value[0]
			}
			tx.Put("b", "n", []byte{n + 1})
			answer := make([]byte, largeAnswerBytes)
			answer[0] = n + 1
			return answer, nil
		}),
	}})
}

// large sends the request of an id and returns what it counted.
func (b *bed) large(id uuid.UUID) (byte, bus.Code) {
	b.t.Helper()
	res := b.e.Call(context.Background(), "u", "large", &bus.Request{ID: id[:], Body: must(b.t, kvReq{})})
	if res.Error != nil {
		return 0, res.Error.Code
	}
	var out []byte
	if err := bus.Unmarshal(res.Body, &out); err != nil || len(out) != largeAnswerBytes {
		b.t.Fatalf("want %d bytes, got %d, %v", largeAnswerBytes, len(out), err)
	}
	return out[0], ""
}

// TestOnceKeepsSoManyBytes: large answers are kept up to a bound; a request
// whose answer was dropped is not done again, and its caller is told so. Both
// survive restarts, from the log and from a checkpoint (K26).
func TestOnceKeepsSoManyBytes(t *testing.T) {
	t.Parallel()
	b := newBed(t, large)
	const n = engine.MaxOnceBytes/largeAnswerBytes + 8
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
		if is, code := b.large(ids[i]); is != byte(i+1) || code != "" {
			t.Fatalf("request %d: got %d, %s", i, is, code)
		}
	}
	for _, after := range []func(){
		func() {}, b.restart,
		func() {
			b.cfg.CheckpointAfter = 1
			b.restart()
			b.must("put", kvReq{Key: "a"})
			<-b.cps.Saved
			b.restart()
		},
	} {
		after()
		if _, code := b.large(ids[0]); code != bus.CodeUnknownOutcome {
			t.Errorf("want unknown_outcome of the first, got %s", code)
		}
		if is, code := b.large(ids[n-1]); is != byte(n) || code != "" {
			t.Errorf("want the answer of the last, got %d, %s", is, code)
		}
	}
	if is, code := b.large(uuid.New()); is != byte(n+1) || code != "" {
		t.Errorf("want %d: nothing was done twice, got %d, %s", n+1, is, code)
	}
}

// TestOnceForgetsTheUndone: an answer of a round that never was is not kept.
func TestOnceForgetsTheUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		b := newBed(t, large, failing(func([]byte) enginetest.Fault {
			if lose.Swap(false) {
				return enginetest.LoseWrite
			}
			return enginetest.None
		}))
		id := uuid.New()
		b.large(uuid.New())
		lose.Store(true)
		for range 2 {
			if is, code := b.large(id); is != 2 || code != "" {
				t.Fatalf("want 2, got %d, %s", is, code)
			}
		}
		b.end()
	})
}
