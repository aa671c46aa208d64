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

const parties = 3

// arriving waits at the barrier b with a session.
func arriving(t testing.TB, s *kvbucket.Session, count int, last *bool) func(context.Context) (*atomic.Grant, error) {
	t.Helper()
	b, err := atomic.NewBarrier(s, "b", count)
	must(t, err)
	return func(ctx context.Context) (_ *atomic.Grant, err error) {
		*last, err = b.Wait(ctx)
		return nil, err
	}
}

// TestBarrier: it opens for as many as it was made for, again and again. Who
// gave up, or whose session ended, is not counted.
func TestBarrier(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		s := openSession(t, c)
		for round := range 3 {
			var last [parties + 2]bool
			one := enqueue(t, c, arriving(t, s, parties, &last[0]))
			gone := openSession(t, c)
			two := enqueue(t, c, arriving(t, gone, parties, &last[1]))
			must(t, gone.Close())
			two.refused(atomic.ErrNoOwner)
			three := enqueue(t, c, arriving(t, s, parties, &last[2]))
			three.cancel()
			three.refused(context.Canceled)
			if err := func() error { _, err := arriving(t, s, parties+1, new(bool))(testContext(t)); return err }(); !errors.Is(err, atomic.ErrMismatch) {
				t.Errorf("want %v, got %v", atomic.ErrMismatch, err)
			}
			four := enqueue(t, c, arriving(t, s, parties, &last[3]))
			one.waits()
			five := enqueue(t, c, arriving(t, openSession(t, c), parties, &last[4]))
			for _, q := range []*queued{one, four, five} {
				q.granted()
			}
			if want := [parties + 2]bool{4: true}; last != want {
				t.Errorf("round %d: want the last one to be told, got %v", round, last)
			}
			wantNothing(t, c)
		}
		alone := false
		if _, err := arriving(t, s, 1, &alone)(testContext(t)); err != nil || !alone {
			t.Errorf("want a barrier of one open, got %v, %v", alone, err)
		}
	})
}

// entering enters the double barrier d with a session.
func entering(t testing.TB, s *kvbucket.Session, into **atomic.Party) func(context.Context) (*atomic.Grant, error) {
	t.Helper()
	d, err := atomic.NewDoubleBarrier(s, "d", parties)
	must(t, err)
	return func(ctx context.Context) (g *atomic.Grant, err error) {
		if *into, err = d.Enter(ctx); err == nil {
			g = (*into).Grant
		}
		return g, err
	}
}

func leaving(p *atomic.Party) func(context.Context) (*atomic.Grant, error) {
	return func(ctx context.Context) (*atomic.Grant, error) { return nil, p.Leave(ctx) }
}

// TestDoubleBarrier: all enter together and leave together; who comes
// meanwhile waits for the next round.
func TestDoubleBarrier(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		s := openSession(t, c)
		var inside [2 * parties]*atomic.Party
		var line []*queued
		for i := range 2 * parties {
			line = append(line, enqueue(t, c, entering(t, s, &inside[i])))
		}
		for round := range 2 {
			here := line[round*parties:][:parties]
			for _, q := range here {
				if g := q.granted(); !held(t, c, g) {
					t.Error("want it held inside, got it not")
				}
			}
			var out []*queued
			for i := range here {
				if round == 0 {
					line[parties].waits()
				}
				if i > 0 {
					out[0].waits()
				}
				out = append(out, enqueue(t, c, leaving(inside[round*parties+i])))
			}
			for _, q := range out {
				q.granted()
			}
		}
		if err := inside[0].Leave(testContext(t)); !errors.Is(err, atomic.ErrLost) {
			t.Errorf("want %v, got %v", atomic.ErrLost, err)
		}
		wantNothing(t, c)
	})
}

// TestDoubleBarrierDead: a session that ends has left, and is not waited for.
func TestDoubleBarrierDead(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		s, dies, arrives := openSession(t, c), openSession(t, c), openSession(t, c)
		var inside [2 * parties]*atomic.Party
		line := []*queued{enqueue(t, c, entering(t, arrives, &inside[0]))}
		must(t, arrives.Close())
		line[0].refused(atomic.ErrNoOwner)
		for i, of := range []*kvbucket.Session{s, s, dies, s, s, s} {
			line = append(line, enqueue(t, c, entering(t, of, &inside[i])))
		}
		for _, q := range line[1:4] {
			q.granted()
		}
		out := enqueue(t, c, leaving(inside[0]))
		inside[1].Release(testContext(t))
		out.waits()
		must(t, dies.Close())
		out.granted()
		for i, q := range line[4:] {
			q.granted()
			must(t, inside[parties+i].Release(testContext(t)))
		}
		wantNothing(t, c)
	})
}

// TestBarrierCounts: what cannot be is refused.
func TestBarrierCounts(t *testing.T) {
	t.Parallel()
	s := openSession(t, natstest.New(t).Direct())
	for _, n := range []int{-1, 0, atomic.MaxParties + 1} {
		_, one := atomic.NewBarrier(s, "b", n)
		_, two := atomic.NewDoubleBarrier(s, "b", n)
		if bus.CodeOf(one) != bus.CodeUsage || bus.CodeOf(two) != bus.CodeUsage {
			t.Errorf("%d: want usage errors, got %v and %v", n, one, two)
		}
	}
}
