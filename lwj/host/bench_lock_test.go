package host_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	lwjatomic "github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// benchLocks opens a lock for each caller, each in a session of its own.
func benchLocks(b *testing.B, c *bus.Conn, callers int) []*lwjatomic.Lock {
	b.Helper()
	locks := make([]*lwjatomic.Lock, callers)
	for i := range locks {
		s, err := kvbucket.OpenSession(context.Background(), c, kvbucket.SessionConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		if locks[i], err = lwjatomic.NewLock(s, "l"); err != nil {
			b.Fatal(err)
		}
	}
	return locks
}

// handover is the time from the begin of a release to the return of the next
// caller's Lock.
type handover struct {
	mu       sync.Mutex
	released time.Time
	took     []time.Duration
}

func (h *handover) turn(l *lwjatomic.Lock) error {
	ctx := context.Background()
	g, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	if !h.released.IsZero() {
		h.took = append(h.took, time.Since(h.released))
	}
	h.released = time.Now()
	h.mu.Unlock()
	return g.Release(ctx)
}

func (h *handover) report(b *testing.B) {
	if len(h.took) == 0 {
		return
	}
	slices.Sort(h.took)
	b.ReportMetric(float64(h.took[len(h.took)/2].Microseconds()), "µs/p50")
	b.ReportMetric(float64(h.took[len(h.took)*99/100].Microseconds()), "µs/p99")
}

// BenchmarkLock: a lock that is taken and released, durable: by one caller who
// finds it free, and by many who wait for it in line.
func BenchmarkLock(b *testing.B) {
	for _, callers := range []int{1, 2, 16, 256} {
		for _, over := range []string{"direct", "api"} {
			b.Run(fmt.Sprintf("synced/callers=%d/%s", callers, over), func(b *testing.B) {
				bed := natstest.New(b)
				bed.Unchecked()
				c := bed.Direct()
				if over == "api" {
					c = bed.Conn()
				}
				locks := make(chan *lwjatomic.Lock, callers)
				for _, l := range benchLocks(b, c, callers) {
					locks <- l
				}
				h := &handover{}
				spread(b, callers, func(int) error {
					l := <-locks
					defer func() { locks <- l }()
					return h.turn(l)
				})
				h.report(b)
			})
		}
	}
}
