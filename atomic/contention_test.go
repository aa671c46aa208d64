package atomic_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
)

const (
	adders    = 64 // goroutines of A02
	perAdder  = 1000
	tickets   = 100 // of A03
	buyers    = 64
	perBuyer  = 10
	lockers   = 16 // of A04
	lockRound = 200
)

// together calls do on n goroutines and waits for all.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// permutation wants each of 0 to len(got)-1 once.
func permutation(t failer, got []int64) {
	t.Helper()
	seen := make([]bool, len(got))
	for _, n := range got {
		if n < 0 || n >= int64(len(seen)) || seen[n] {
			t.Fatalf("want each of 0 to %d once, got %d outside or twice", len(seen)-1, n)
		}
		seen[n] = true
	}
}

// TestA02 adds from many goroutines to one word: the sum is exact, and no two
// of them got the same value.
func TestA02(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		ctx, w := testContext(t), open(t, c, "n")
		got := make([]int64, adders*perAdder)
		together(adders, func(i int) {
			for k := range perAdder {
				before, err := w.Add(ctx, 1)
				if err != nil {
					t.Error(err)
					return
				}
				got[i*perAdder+k] = before
			}
		})
		permutation(t, got)
		if n := word(t, ctx, c, "n"); n != adders*perAdder {
			t.Errorf("want %d, got %d", adders*perAdder, n)
		}
	})
}

// TestA03 adds on condition, as one sells tickets: exactly as many as there are.
func TestA03(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		ctx, w := testContext(t), open(t, c, "sold")
		var mu sync.Mutex
		var sold []int64
		together(buyers, func(int) {
			for range perBuyer {
				before, met, err := w.AddIf(ctx, atomic.AddIfLess, tickets, 1)
				if err != nil {
					t.Error(err)
					return
				}
				if met {
					mu.Lock()
					sold = append(sold, before)
					mu.Unlock()
				}
			}
		})
		if len(sold) != tickets {
			t.Errorf("want %d met, got %d", tickets, len(sold))
		}
		permutation(t, sold)
		if n := word(t, ctx, c, "sold"); n != tickets {
			t.Errorf("want %d, got %d", tickets, n)
		}
	})
}

// TestA04 uses Exchange as a lock: there are never two inside.
func TestA04(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		ctx, w := testContext(t), open(t, c, "lock")
		var inside sync.Mutex // what the word is to be
		rounds := make(chan struct{}, lockRound)
		for range lockRound {
			rounds <- struct{}{}
		}
		close(rounds)
		together(lockers, func(i int) {
			for range rounds {
				if err := exchangeLock(ctx, w, &inside); err != nil {
					t.Errorf("locker %d: %v", i, err)
					return
				}
			}
		})
		if n := word(t, ctx, c, "lock"); n != 0 {
			t.Errorf("want it left unlocked, got %d", n)
		}
	})
}

// exchangeLock is one round: in, and out.
func exchangeLock(ctx context.Context, w *atomic.Word, inside *sync.Mutex) error {
	for {
		was, err := w.Exchange(ctx, 1)
		if err != nil {
			return err
		}
		if was == 0 {
			break
		}
	}
	if !inside.TryLock() {
		return fmt.Errorf("two are inside")
	}
	inside.Unlock()
	was, err := w.Exchange(ctx, 0)
	if err == nil && was != 1 {
		err = fmt.Errorf("want the lock held at its end, got %d", was)
	}
	return err
}
