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

func newSemaphore(t testing.TB, s *kvbucket.Session, max int) *atomic.Semaphore {
	t.Helper()
	sem, err := atomic.NewSemaphore(s, "s", max)
	must(t, err)
	return sem
}

func slot(t testing.TB, sem *atomic.Semaphore) *atomic.Grant {
	t.Helper()
	g, ok, err := sem.TryAcquire(testContext(t))
	must(t, err)
	if !ok {
		t.Fatal("want a slot, got none")
	}
	return g
}

// TestSemaphore: max hold it, others wait in order; the slots of a session
// that ends go to the next.
func TestSemaphore(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		one, two := openSession(t, c), openSession(t, c)
		a, b := newSemaphore(t, one, 3), newSemaphore(t, two, 3)
		slot(t, a)
		slot(t, a)
		last := slot(t, b)
		if _, ok, err := b.TryAcquire(testContext(t)); ok || err != nil {
			t.Errorf("want no slot, got %v, %v", ok, err)
		}
		var line []*queued
		for range 4 {
			line = append(line, enqueue(t, c, b.Acquire))
		}
		line[0].cancel()
		line[0].refused(context.Canceled)
		drop(t, last)
		g := line[1].granted()
		if g.Fence() <= last.Fence() || !held(t, c, g) || held(t, c, last) {
			t.Errorf("want a fence above %d that holds, got %d", last.Fence(), g.Fence())
		}
		line[2].waits()
		must(t, one.Close())
		for _, g := range []*atomic.Grant{g, line[2].granted(), line[3].granted()} {
			drop(t, g)
		}
		wantNothing(t, c)
	})
}

// TestSemaphoreMismatch: another max is refused as long as the semaphore is in
// use, and changes nothing.
func TestSemaphoreMismatch(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	s := openSession(t, c)
	g := slot(t, newSemaphore(t, s, 1))
	if _, err := newSemaphore(t, s, 2).Acquire(testContext(t)); !errors.Is(err, atomic.ErrMismatch) {
		t.Errorf("want %v, got %v", atomic.ErrMismatch, err)
	}
	drop(t, g)
	drop(t, slot(t, newSemaphore(t, s, 2)))
	for _, max := range []int{-1, 0, atomic.MaxSlots + 1} {
		if _, err := atomic.NewSemaphore(s, "s", max); bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("%d: want a usage error, got %v", max, err)
		}
	}
	wantNothing(t, c)
}
