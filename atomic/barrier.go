package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Barrier holds those who come until a number of them are there; then it opens
// for these at once, and holds the next. Who gives up, or whose session ends,
// is not there any more. Safe for concurrent use.
type Barrier struct{ in inLine }

// NewBarrier returns the barrier of a name, 1 to MaxName bytes of UTF-8, for
// count parties, 1 to MaxParties; it sends nothing.
//
// Errors: ErrInvalidName; CodeUsage for another count.
func NewBarrier(s *kvbucket.Session, name string, count int) (*Barrier, error) {
	in, err := newInLine(s, lineBarrier, name, count)
	return &Barrier{in}, err
}

// Wait returns when the barrier has opened; exactly one of those it opened for
// is the last (TestBarrier). One session may wait several times at once: it
// counts as many.
//
// Errors: ErrMismatch while others wait for another count; those of Lock.Lock.
// After an error the caller does not count, but with bus.ErrUnknownOutcome.
func (b *Barrier) Wait(ctx context.Context) (last bool, err error) {
	_, a, err := b.in.acquire(ctx, b.in.request())
	if err != nil {
		return false, err
	}
	return a.Last, nil
}

// DoubleBarrier is entered together and left together: it opens when count
// parties are there, and who leaves waits until all of them have left. Others
// who come meanwhile wait for the next round. A session that ends has left
// (TestDoubleBarrierDead). Safe for concurrent use.
type DoubleBarrier struct{ in inLine }

// NewDoubleBarrier returns the double barrier of a name, 1 to MaxName bytes of
// UTF-8, for count parties, 1 to MaxParties; it sends nothing.
//
// Errors: ErrInvalidName; CodeUsage for another count.
func NewDoubleBarrier(s *kvbucket.Session, name string, count int) (*DoubleBarrier, error) {
	in, err := newInLine(s, lineDouble, name, count)
	return &DoubleBarrier{in}, err
}

// Enter returns when count parties are there, this one included.
//
// Errors: as Barrier.Wait.
func (d *DoubleBarrier) Enter(ctx context.Context) (*Party, error) {
	g, _, err := d.in.acquire(ctx, d.in.request())
	if err != nil {
		return nil, err
	}
	return &Party{g, d.in}, nil
}

// Party is one of those inside a double barrier. Its Release leaves without
// waiting for the others.
type Party struct {
	*Grant
	in inLine
}

// Leave leaves, and returns when all the others have left as well. An end of
// ctx ends the wait; it has left nevertheless.
//
// Errors: ErrLost when it was inside no more; those of Lock.Lock.
func (p *Party) Leave(ctx context.Context) error {
	ctx, stop := p.in.during(ctx)
	defer stop()
	ticket, err := p.release(ctx)
	if err == nil && ticket != 0 {
		err = p.in.await(ctx, &awaitRequest{place: p.place, Leaving: true}, &acquireAnswer{})
	}
	if err != nil {
		return p.in.over(ctx, err)
	}
	return nil
}
