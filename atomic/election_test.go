package atomic_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func newElection(t testing.TB, c *bus.Conn) *atomic.Election {
	t.Helper()
	e, err := atomic.OpenElection(c, "e")
	must(t, err)
	return e
}

func campaigning(e *atomic.Election, s *kvbucket.Session, value string, into **atomic.Leadership) func(context.Context) (*atomic.Grant, error) {
	return func(ctx context.Context) (g *atomic.Grant, err error) {
		if *into, err = e.Campaign(ctx, s, []byte(value)); err == nil {
			g = (*into).Grant
		}
		return g, err
	}
}

// wantLeader checks a leader, but for the revision.
func wantLeader(t testing.TB, got atomic.Leader, owner, value string, fence uint64) {
	t.Helper()
	if got.Owner != owner || string(got.Value) != value || got.Fence != fence {
		t.Errorf("want %q proclaiming %q under %d, got %+v", owner, value, fence, got)
	}
}

// TestElectionObserve: one leads at a time, and the next when it resigns or
// its session ends; who observes sees each of them and all they proclaim.
func TestElectionObserve(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		e, ctx := newElection(t, c), testContext(t)
		o, err := e.Observe(ctx)
		must(t, err)
		defer o.Close()
		next := func(owner, value string, fence uint64) {
			t.Helper()
			l, err := o.Next(ctx)
			must(t, err)
			wantLeader(t, l, owner, value, fence)
		}
		next("", "", 0)
		if _, err := e.Leader(ctx); !errors.Is(err, atomic.ErrNoLeader) {
			t.Errorf("want %v, got %v", atomic.ErrNoLeader, err)
		}
		one, two, three := openSession(t, c), openSession(t, c), openSession(t, c)
		a, err := e.Campaign(ctx, one, []byte("a"))
		must(t, err)
		next(one.ID(), "a", a.Fence())
		var b, d *atomic.Leadership
		second, third := enqueue(t, c, campaigning(e, two, "b", &b)), enqueue(t, c, campaigning(e, three, "d", &d))
		must(t, a.Proclaim(ctx, []byte("a2")))
		next(one.ID(), "a2", a.Fence())
		if !held(t, c, a.Grant) {
			t.Error("want the fence to stay, got it refused")
		}
		l, err := e.Leader(ctx)
		must(t, err)
		wantLeader(t, l, one.ID(), "a2", a.Fence())
		drop(t, a.Grant)
		second.granted()
		next(two.ID(), "b", b.Fence())
		if err := a.Proclaim(ctx, []byte("late")); !errors.Is(err, atomic.ErrLost) {
			t.Errorf("want %v, got %v", atomic.ErrLost, err)
		}
		must(t, two.Close())
		third.granted()
		next(three.ID(), "d", d.Fence())
		if a.Fence() >= b.Fence() || b.Fence() >= d.Fence() {
			t.Errorf("want growing fences, got %d, %d, %d", a.Fence(), b.Fence(), d.Fence())
		}
		must(t, three.Close())
		next("", "", 0)
		wantNothing(t, c)
	})
}

// TestElectionBounds: what cannot be is refused.
func TestElectionBounds(t *testing.T) {
	t.Parallel()
	c := natstest.New(t).Direct()
	if _, err := atomic.OpenElection(c, ""); !errors.Is(err, atomic.ErrInvalidName) {
		t.Errorf("want %v, got %v", atomic.ErrInvalidName, err)
	}
	if _, err := newElection(t, c).Campaign(testContext(t), openSession(t, c), make([]byte, atomic.MaxProclamation+1)); bus.CodeOf(err) != bus.CodeTooLarge {
		t.Errorf("want it too large, got %v", err)
	}
}
