package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Ticket is the place that the grant had in line.
func (g *Grant) Ticket() uint64 { return g.place.Ticket }

// GrantsPerTurn is how many are called in one transaction.
const GrantsPerTurn = grantsPerTurn

// WaitBucket has the places in line.
const WaitBucket = waitBucket

// LateLock sends the request of a lock after its withdrawal, and tells whether
// it is granted or in line.
func LateLock(ctx context.Context, s *kvbucket.Session, name string) (bool, error) {
	in, err := newInLine(s, lineLock, name, 0)
	if err != nil {
		return false, err
	}
	r, a := in.request(), acquireAnswer{}
	if err := s.Conn().Call(ctx, verbWithdraw, &r.place, &a); err != nil {
		return false, err
	}
	err = s.Conn().Call(ctx, verbAcquire, &r, &a)
	return a != acquireAnswer{}, err
}

// LostAnswer takes back a lock whose answer was lost: only its call is known.
func LostAnswer(ctx context.Context, s *kvbucket.Session, name string, opts ...LockOption) error {
	l, err := NewLock(s, name)
	if err != nil {
		return err
	}
	r, a := l.request(opts), acquireAnswer{}
	if err := s.Conn().Call(ctx, verbAcquire, &r, &a); err != nil {
		return err
	}
	return s.Conn().Call(ctx, verbWithdraw, &r.place, &a)
}

// ReleaseRequest is what Release sends.
func (g *Grant) ReleaseRequest() (verb string, body []byte, err error) {
	body, err = bus.Marshal(&g.place)
	return verbRelease, body, err
}
