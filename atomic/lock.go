package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Lock is a lock by name, for all sessions of a namespace: held by one, or,
// shared, by any number of readers. Who waits is served in the order of the
// calls, readers and others in one line: a reader that comes after a waiting
// writer waits behind it (TestLockShared). The line survives restarts of the
// host (TestLockRestart), and nobody in it polls: a release wakes the one who
// is next.
//
// A lock belongs to a session, and goes to the next in the transaction that
// ends the session. It is not reentrant: a session that locks twice waits for
// itself. Safe for concurrent use.
type Lock struct{ in inLine }

// NewLock returns the lock of a name, 1 to MaxName bytes of UTF-8; it sends
// nothing.
//
// Errors: ErrInvalidName.
func NewLock(s *kvbucket.Session, name string) (*Lock, error) {
	in, err := newInLine(s, lineLock, name, 0)
	return &Lock{in}, err
}

// LockOption changes one Lock or TryLock.
type LockOption func(*acquireRequest)

// Shared takes the lock as a reader: with other readers, without writers.
func Shared() LockOption { return func(r *acquireRequest) { r.Shared = true } }

// Lock waits for its turn and takes the lock. When ctx or the session ends
// first, the place in line is taken back, and the lock if it was granted
// meanwhile: nothing is left behind (TestA09, TestLockModel).
//
// Errors: bus.ErrTimeout with the cause when the deadline of ctx passed; the
// cause when ctx was canceled; ErrNoOwner when the session ended;
// bus.ErrOverloaded beyond MaxWaiting; those of bus.Conn.Call. With
// bus.ErrUnknownOutcome, or when the host cannot be told of the end of ctx for
// 5 s, the place may stay until the session is closed.
func (l *Lock) Lock(ctx context.Context, opts ...LockOption) (*Grant, error) {
	g, _, err := l.in.acquire(ctx, l.request(opts))
	return g, err
}

// TryLock takes the lock if nobody holds it or waits for it, and tells whether
// it did; it does not wait.
//
// Errors: those of Lock.
func (l *Lock) TryLock(ctx context.Context, opts ...LockOption) (g *Grant, ok bool, err error) {
	return l.in.try(ctx, l.request(opts))
}

func (l *Lock) request(opts []LockOption) acquireRequest {
	r := l.in.request()
	for _, set := range opts {
		set(&r)
	}
	return r
}

// try is acquire without a wait.
func (l *inLine) try(ctx context.Context, in acquireRequest) (*Grant, bool, error) {
	in.Try = true
	g, a, err := l.acquire(ctx, in)
	if err != nil || a.Fence == 0 {
		return nil, false, err
	}
	return g, true, nil
}
