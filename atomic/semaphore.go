package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Semaphore has a number of slots, which sessions take and give back; who
// waits for one is served in the order of the calls. A slot belongs to its
// session, as a [Lock] does. Safe for concurrent use.
type Semaphore struct{ in inLine }

// NewSemaphore returns the semaphore of a name, 1 to MaxName bytes of UTF-8,
// with max slots, 1 to MaxSlots; it sends nothing.
//
// Errors: ErrInvalidName; CodeUsage for another max.
func NewSemaphore(s *kvbucket.Session, name string, max int) (*Semaphore, error) {
	in, err := newInLine(s, lineSemaphore, name, max)
	return &Semaphore{in}, err
}

// Acquire waits for a slot and takes it.
//
// Errors: ErrMismatch while the semaphore is in use with another max
// (TestSemaphoreMismatch); those of Lock.Lock.
func (s *Semaphore) Acquire(ctx context.Context) (*Grant, error) {
	g, _, err := s.in.acquire(ctx, s.in.request())
	return g, err
}

// TryAcquire takes a slot if one is free and nobody waits, and tells whether
// it did; it does not wait.
//
// Errors: those of Acquire.
func (s *Semaphore) TryAcquire(ctx context.Context) (g *Grant, ok bool, err error) {
	return s.in.try(ctx, s.in.request())
}
