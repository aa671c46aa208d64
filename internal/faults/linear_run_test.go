package faults_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
)

// rounds has linearClients clients do their part n times, while the host that
// serves them ends by end, each time in the middle. Then the store is checked.
func (r *relay) rounds(ctx context.Context, random *rand.Rand, n int, end func(i int), part func(client int) error) {
	r.t.Helper()
	for i := range n {
		r.prepare()
		done := make(chan error, linearClients)
		for client := range linearClients {
			go func() { done <- part(client) }() // received below
		}
		pass(ctx, random, killWindow)
		end(i)
		r.recovered()
		for range linearClients {
			must(r.t, <-done)
		}
	}
	r.stop()
	hosted(r.t, r.dir)
}

// killed ends the host by kill -9.
func (r *relay) killed(int) { r.crash() }

// inTurns ends the host by kill -9, then in order, and so on.
func (r *relay) inTurns(i int) {
	if i%2 == 0 {
		r.crash()
	} else {
		r.leave()
	}
}

// leave ends the host in order, and the next one takes over.
func (r *relay) leave() {
	r.t.Helper()
	r.prepare()
	must(r.t, r.active.stdin.Close())
	<-r.active.ended
	r.active, r.next = r.next, nil
}

// explain looks for an order of the calls that the model allows.
func explain(t *testing.T, model porcupine.Model, ops []porcupine.Operation) {
	t.Helper()
	t.Logf("%d calls", len(ops))
	if got := porcupine.CheckOperationsTimeout(model, ops, linearCheck); got != porcupine.Ok {
		t.Errorf("want an order that explains every answer, got %v", got)
	}
}

// inexplicable proves that the check can fail: no history has such an order.
// The calls of one follow each other, but for those of unknown outcome, which
// end with the history.
func inexplicable(t *testing.T, model porcupine.Model, histories map[string][]porcupine.Operation) {
	t.Helper()
	for name, calls := range histories {
		for i := range calls {
			calls[i].Call, calls[i].Return = int64(2*i), int64(2*i+1)
			if o, ok := calls[i].Output.(output); ok && o.unknown {
				calls[i].ClientId, calls[i].Return = i+1, int64(2*len(calls))
			}
		}
		if porcupine.CheckOperations(model, calls) {
			t.Errorf("%s: want no order that explains it, got one", name)
		}
	}
}
