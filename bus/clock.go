package bus

import "sync/atomic"

// MaxClock is the highest remote clock that Observe believes: a peer that
// sends nonsense cannot wear the clock out.
const MaxClock = 1 << 62

// Clock is a Lamport clock (Lamport 1978): if an event happened before
// another, its clock is lower. The zero value is ready. Safe for concurrent use.
type Clock struct{ n atomic.Uint64 }

// Tick counts an event of our own and returns its clock.
func (c *Clock) Tick() uint64 { return c.n.Add(1) }

// Observe counts the receipt of a message with the clock remote and returns
// the receipt's clock, which is above both.
func (c *Clock) Observe(remote uint64) uint64 {
	if remote > MaxClock {
		remote = 0
	}
	for {
		now := c.n.Load()
		next := max(now, remote) + 1
		if c.n.CompareAndSwap(now, next) {
			return next
		}
	}
}

// Now returns the clock of the last event.
func (c *Clock) Now() uint64 { return c.n.Load() }
