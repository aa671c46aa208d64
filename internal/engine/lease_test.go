package engine_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

func (b *bed) register(id string, ttl time.Duration) (token uint64) {
	b.t.Helper()
	res := b.ask("owner.register", engine.RegisterOwner{ID: id, TTL: ttl.Milliseconds()})
	var a engine.OwnerAnswer
	if res.Error != nil {
		b.t.Fatalf("register %s: %v", id, res.Error)
	}
	if err := bus.Unmarshal(res.Body, &a); err != nil {
		b.t.Fatal(err)
	}
	return a.Token
}

func (b *bed) ask(verb string, in any) *bus.Response {
	b.t.Helper()
	body, err := bus.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.e.Call(context.Background(), "u", verb, &bus.Request{Body: body})
}

func (b *bed) owned(id string) bool {
	return b.e.Snapshot().Get(engine.OwnerBucket, id) != nil
}

// failing sets what becomes of each append.
func failing(fault func(data []byte) enginetest.Fault) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Log.(*enginetest.MemLog).Fail = func(_ uint64, data []byte) enginetest.Fault { return fault(data) }
	}
}

// settling is a layer whose owners leave something for as often as left says.
func settling(settle func() (more bool)) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Layers = append(c.Layers, engine.Layer{Name: "settling",
			OwnerEnded: func(*engine.Tx, string, uint64, int) bool { return settle() }})
	}
}

// TestLeaseEndsInDeadRound: a lease whose end was refused by the store ends
// when its turn comes again, whatever other leases there are.
func TestLeaseEndsInDeadRound(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]enginetest.Fault{"refused": enginetest.Refuse, "lost": enginetest.LoseWrite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var failed atomic.Bool
				b := newBed(t, failing(func(data []byte) enginetest.Fault {
					if bytes.Contains(data, []byte(bus.ReasonLeaseExpired)) && !failed.Swap(true) {
						return fault
					}
					return enginetest.None
				}))
				b.register("short", 2*time.Second)
				b.register("long", time.Hour)
				time.Sleep(5 * time.Second) // fake time
				synctest.Wait()
				if !failed.Load() || b.owned("short") || !b.owned("long") {
					t.Fatalf("the end of the lease was lost: %v; owners %v", failed.Load(), b.e.Owners())
				}
				b.end()
			})
		})
	}
}

// TestEndingOwnerCannotRenew: an owner that is being settled in several
// transactions is no owner any more, and its settlement ends.
func TestEndingOwnerCannotRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := 3
		b := newBed(t, settling(func() bool { left--; return left >= 0 }))
		token := b.register("o", 2*time.Second)
		if res := b.ask("owner.end", engine.EndOwner{ID: "o", Token: token}); res.Error != nil {
			t.Fatal(res.Error)
		}
		if res := b.ask("owner.renew", engine.RenewOwner{ID: "o", Token: token}); res.Error == nil || res.Error.Code != bus.CodeNoOwner {
			t.Fatalf("want no owner, got %v", res.Error)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.owned("o") {
			t.Fatal("the settlement did not end")
		}
		b.end()
	})
}

// TestLeaseEndFails: an end that failed is tried again.
func TestLeaseEndFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := newBed(t, settling(func() bool {
			if calls++; calls == 1 {
				panic("once")
			}
			return false
		}))
		b.register("o", time.Second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if b.owned("o") {
			t.Fatal("the owner stays for ever")
		}
		b.end()
	})
}

// TestRenewAtOnce: a lease can be renewed as soon as its registration is answered.
func TestRenewAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	body, _ := bus.Marshal(engine.RegisterOwner{ID: "o", TTL: 5000})
	renewed := make(chan *bus.Response, 1)
	b.e.Submit("u", "owner.register", &bus.Request{Body: body}, func(res *bus.Response) {
		renew, _ := bus.Marshal(engine.RenewOwner{ID: "o", Token: res.Revision})
		b.e.Submit("u", "owner.renew", &bus.Request{Body: renew}, func(res *bus.Response) { renewed <- res })
	})
	if res := <-renewed; res.Error != nil {
		t.Fatal(res.Error)
	}
}

// TestLeaseOutlivesDoubt: while the log does not answer nobody can renew; what
// is settled gives each lease its full TTL, as a start does.
func TestLeaseOutlivesDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		b := newBed(t, failing(func([]byte) enginetest.Fault {
			if down.Load() {
				return enginetest.LoseWrite
			}
			return enginetest.None
		}))
		b.register("o", 5*time.Second)
		down.Store(true)
		done := make(chan struct{})
		go func() { b.must("put", kvReq{Key: "k"}); close(done) }()
		time.Sleep(8 * time.Second)
		down.Store(false)
		<-done
		time.Sleep(time.Second)
		synctest.Wait()
		if !b.owned("o") {
			t.Fatal("the lease ended while nobody could renew it")
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if b.owned("o") {
			t.Fatal("the lease does not end")
		}
		b.end()
	})
}
