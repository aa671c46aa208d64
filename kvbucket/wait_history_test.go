package kvbucket_test

import (
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestWaitWithoutHistory: a wait ends with a key that is put and deleted in
// one record, also in a bucket that keeps the delete alone (K15).
func TestWaitWithoutHistory(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	var gate atomic.Pointer[chan struct{}]
	h.log.Fail = func(uint64, []byte) enginetest.Fault {
		if g := gate.Load(); g != nil {
			*g <- struct{}{} // the engine stands still
			*g <- struct{}{}
		}
		return enginetest.None
	}
	h.restart(t)
	c := h.network(t)
	check(t, kvbucket.CreateBucket(t.Context(), c, "one", kvbucket.BucketConfig{History: 1}))
	b := openBucket(t, c, "one")

	began := make(chan struct{}, 16)
	each := func(verb string) bool {
		if verb == "kv.await" {
			began <- struct{}{}
		}
		return false
	}
	h.lose.Store(&each)
	wait := b.waitAny([]string{"x", "a"})
	<-began // its first answer says since when it counts

	stop, answers := make(chan struct{}), make(chan *bus.Response, 3)
	send := func(verb string, fields ...any) {
		body, err := bus.Marshal(fields)
		check(t, err)
		h.engine.Load().Submit("u", verb, &bus.Request{Body: body}, func(res *bus.Response) { answers <- res })
	}
	gate.Store(&stop)
	send("kv.put", "other", "k", []byte("v"))
	<-stop
	gate.Store(nil)
	send("kv.put", "one", "a", []byte("1"))
	send("kv.delete", "one", "a")
	<-stop
	(<-wait).want(t, "a=1")
	for range 3 {
		if res := <-answers; res.Error != nil {
			t.Error(res.Error)
		}
	}
	if list, err := b.History(b.ctx, "a"); err != nil || len(list) != 1 {
		t.Errorf("want the delete alone, got %d changes, %v", len(list), err)
	}
}
