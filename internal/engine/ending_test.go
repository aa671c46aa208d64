package engine_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// live counts the keys of bucket b.
func (b *bed) live() (n int) {
	b.e.Snapshot().Range("b", "", nil, func(*bus.Change) bool { n++; return true })
	return n
}

// reasons counts the deletes of the keys of ownMany.
func (b *bed) reasons(n int) map[string]int {
	out := map[string]int{}
	for i := range n {
		h := b.e.Snapshot().History("b", fmt.Sprintf("k%06d", i))
		out[h[len(h)-1].Reason]++
	}
	return out
}

// brake makes the log lose every write after so many with a piece in them.
type brake struct {
	mu    sync.Mutex
	piece string
	left  int
}

func (s *brake) set(piece string, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.piece, s.left = piece, left
}

func (s *brake) fault(data []byte) enginetest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.piece == "" || !bytes.Contains(data, []byte(s.piece)) {
		return enginetest.None
	}
	if s.left--; s.left < 0 {
		return enginetest.LoseWrite
	}
	return enginetest.None
}

// TestEndInChunks: an owner of 5,000 keys ends in several transactions. Once
// it has begun nothing is added; a new engine goes on where the old one
// stopped; each delete has the reason the end began with.
func TestEndInChunks(t *testing.T) {
	t.Parallel()
	const n = 5000
	for reason, end := range map[string]func(b *bed){
		bus.ReasonLeaseExpired: func(*bed) { pass(11 * time.Second) },
		bus.ReasonOwnerGone:    func(b *bed) { b.endBy("o"); pass(time.Second) },
	} {
		t.Run(reason, func(t *testing.T) {
			stop := &brake{}
			inFakeTime(t, func(t *testing.T, b *bed) {
				token := b.register("o", 10*time.Second)
				for i := 0; i < n; i += 500 {
					b.steps(ownMany("o", i, i+500)...)
				}
				stop.set(reason, 2)
				end(b)
				if left := b.live(); left == 0 || left >= n {
					t.Fatalf("%d keys are left", left)
				}
				stop.set("", 0)
				before := b.live()
				b.e.Close()
				b.open()
				if o := b.owner("o"); !o.Ending || o.Token != token || o.Keys != before || o.Left != 0 {
					t.Errorf("want an owner that ends, got %+v", o)
				}
				if code := b.try(step{Kind: "own", Key: "new", Owner: "o", Token: token}); code != bus.CodeNoOwner {
					t.Errorf("a put under an ending token: %q", code)
				}
				if res := b.ask("owner.register", engine.RegisterOwner{ID: "o", TTL: 5000}); res.Error == nil || res.Error.Code != bus.CodeExists {
					t.Errorf("want exists, got %v", res.Error)
				}
				pass(time.Second)
				if left := b.live(); left != 0 || b.owned("o") {
					t.Errorf("%d keys are left, the owner %v", left, b.owned("o"))
				}
				if got := b.reasons(n); got[reason] != n {
					t.Errorf("want %d %s, got %v", n, reason, got)
				}
			}, failing(stop.fault))
		})
	}
}

// TestEndGoesOnAtOnce: the chunks of an end follow each other without waiting
// for the next tick, and a put to a key that goes does not keep it.
func TestEndGoesOnAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *bed) {
		b.register("o", time.Hour)
		for i := 0; i < 20_000; i += 1000 {
			b.steps(ownMany("o", i, i+1000)...)
		}
		before := time.Now()
		b.endBy("o")
		b.steps(put1("k019999"))
		for b.owned("o") {
			pass(time.Millisecond)
		}
		if took := time.Since(before); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if n := b.live(); n > 1 { // the put may have come after the delete
			t.Errorf("%d keys are left", n)
		}
	})
}

// slowly makes the log take a millisecond for each record, and calls see with
// each. It lives until stop is closed.
func slowly(stop *chan struct{}, see func(data []byte)) func(*engine.Config) {
	return func(c *engine.Config) {
		log, hold := c.Log.(*enginetest.MemLog), make(chan struct{})
		*stop = make(chan struct{})
		log.Hold = hold
		log.Fail = func(_ uint64, data []byte) enginetest.Fault { see(data); return enginetest.None }
		go func() {
			defer close(hold)
			for {
				select {
				case hold <- struct{}{}:
					time.Sleep(time.Millisecond) // fake time
				case <-*stop:
					return
				}
			}
		}()
	}
}

// TestManyLeasesEndAtOnce: ten thousand leases that end in one moment are all
// settled; meanwhile others renew theirs, and what is written waits for a part
// of them only.
func TestManyLeasesEndAtOnce(t *testing.T) {
	const n, others = 10_000, 50
	var stop chan struct{}
	var ends chan struct{}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ends = make(chan struct{}, 1)
		b := newBed(t, owners, slowly(&stop, func(data []byte) {
			if bytes.Contains(data, []byte(bus.ReasonLeaseExpired)) {
				select {
				case ends <- struct{}{}:
				default:
				}
			}
		}))
		b.registerMany(n)
		renewed := b.renewing(others, stop)
		<-ends
		meanwhile := b.must("put", kvReq{Key: "meanwhile"}).Revision
		pass(10 * time.Second)
		if owners, keys := len(b.e.Owners()), b.live(); owners != others || keys != others+1 {
			t.Errorf("want %d owners and one key more, got %d owners and %d keys", others, owners, keys)
		}
		if last := b.lastEnd(n); meanwhile > last {
			t.Errorf("what was written meanwhile has revision %d, the last end %d", meanwhile, last)
		}
		close(stop)
		<-renewed
		b.end()
	})
}

// registerMany registers owners of one key each.
func (b *bed) registerMany(n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("o%05d", i)
			b.register(id, 5*time.Second)
			b.steps(own("a"+id, id))
		})
	}
	wg.Wait()
}

// lastEnd is the revision of the last delete of the keys of registerMany.
func (b *bed) lastEnd(n int) (last uint64) {
	for i := range n {
		h := b.e.Snapshot().History("b", fmt.Sprintf("ao%05d", i))
		last = max(last, h[len(h)-1].Revision)
	}
	return last
}

// renewing registers owners of one key each and renews them once a second.
func (b *bed) renewing(n int, stop chan struct{}) (done chan struct{}) {
	var alive []engine.RenewOwner
	for i := range n {
		id := fmt.Sprint("other", i)
		alive = append(alive, engine.RenewOwner{ID: id, Token: b.register(id, 5*time.Second)})
		b.steps(own("a"+id, id))
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		for {
			for _, o := range alive {
				if res := b.ask("owner.renew", o); res.Error != nil {
					b.t.Errorf("a renewal was refused: %v", res.Error)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return done
}

// TestJobOwnerEnds: an owner that is no registration owns keys for as long as
// its layer says, and its end deletes them, in chunks if they are many.
func TestJobOwnerEnds(t *testing.T) {
	t.Parallel()
	t.Run("few", func(t *testing.T) {
		inFakeTime(t, func(t *testing.T, b *bed) {
			if code := b.try(own("a", "v_x")); code != bus.CodeNoOwner {
				t.Errorf("want no owner, got %q", code)
			}
			b.steps(step{Kind: "live", Key: "x"}, own("a", "v_x"), own("b", "v_x"))
			revision := b.e.Snapshot().Revision()
			b.steps(step{Kind: "end", Key: "x"})
			b.want("a!owner-gone b!owner-gone")
			if is := b.e.Snapshot().Revision(); is != revision+1 {
				t.Errorf("it took %d transactions", is-revision)
			}
			if code := b.try(own("a", "v_x")); code != bus.CodeNoOwner {
				t.Errorf("want no owner, got %q", code)
			}
		})
	})
	t.Run("many", func(t *testing.T) {
		const n = 3000
		stop := &brake{}
		inFakeTime(t, func(t *testing.T, b *bed) {
			b.steps(step{Kind: "live", Key: "x"})
			for i := 0; i < n; i += 500 {
				b.steps(ownMany("v_x", i, i+500)...)
			}
			token := b.owner("v_x").Token
			stop.set(bus.ReasonOwnerGone, 1)
			b.steps(step{Kind: "end", Key: "x"})
			pass(time.Second)
			stop.set("", 0)
			b.e.Close()
			b.open()
			if o := b.owner("v_x"); !o.Ending || o.Token != token || o.Keys == 0 {
				t.Errorf("want an owner that ends, got %+v", o)
			}
			if code := b.try(step{Kind: "own", Key: "a", Owner: "v_x", Token: token}); code != bus.CodeNoOwner {
				t.Errorf("want no owner, got %q", code)
			}
			pass(time.Second)
			if got := b.reasons(n); got[bus.ReasonOwnerGone] != n || b.owned("v_x") {
				t.Errorf("want %d, got %v; registered: %v", n, got, b.owned("v_x"))
			}
		}, failing(stop.fault))
	})
}

// TestSettledByItsLayer: what an owner has in a bucket that its layer settles
// is not the engine's to delete.
func TestSettledByItsLayer(t *testing.T) {
	t.Parallel()
	b := newBed(t, owners)
	b.register("o", time.Hour)
	b.steps(own("a", "o"), step{Kind: "own", Bucket: settled, Key: "a", Owner: "o"}, step{Kind: "own", Bucket: passing, Key: "a", Owner: "o"})
	if o := b.owner("o"); o.Keys != 2 {
		t.Errorf("want 2 keys, got %+v", o)
	}
	b.endBy("o")
	b.want("a!owner-gone")
	s := b.e.Snapshot()
	if c := s.Get(settled, "a"); c == nil || c.Owner != "o" {
		t.Errorf("the key of the layer is %+v", c)
	}
	if c := s.Get(passing, "a"); c != nil {
		t.Errorf("a transient key stays: %+v", c)
	}
}
