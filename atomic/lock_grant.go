package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Grant is what was granted to a session: a lock, a slot of a semaphore, to
// lead. It is there until Release, or the end of the session. Safe for
// concurrent use.
type Grant struct {
	session *kvbucket.Session
	place   place
	fence   uint64
}

// Fence is the fencing token: the revision of the grant. It is greater than
// that of every grant of the same name before it, and never 0
// (TestA09, TestLockModel).
func (g *Grant) Fence() uint64 { return g.fence }

// Key is where the grant stands: a key that goes with it.
func (g *Grant) Key() (bucket, key string) { return g.place.grantKey() }

// Held is the condition that this grant is still there. A transaction with it
// is done only as long as nobody else was granted the same, however long its
// sender was paused (TestA10).
func (g *Grant) Held() kvbucket.Cond {
	bucket, key := g.Key()
	return kvbucket.RevisionIs(key, kvbucket.Equal, g.fence).In(bucket)
}

// Lost is closed when the session ends: nothing is held any more, or soon will
// not be. A holder that the host does not hear of is told a tenth of the lease
// before the host gives the grant to another; one that was paused, when it goes
// on (TestA10); one whose session somebody else ended, within a third of the lease.
func (g *Grant) Lost() <-chan struct{} { return g.session.Lost() }

// Err is nil while the session lives; else why it does not, as ErrNoOwner.
func (g *Grant) Err() error {
	if err := g.session.Err(); err != nil {
		return ended(err)
	}
	return nil
}

// Release gives back what was granted; in the same transaction it goes to the
// next in line. ctx is for the call: one that has ended releases nothing.
//
// Errors: ErrLost when it was not held any more, so that what was done under
// it may not have been done alone; those of bus.Conn.Call.
func (g *Grant) Release(ctx context.Context) error {
	_, err := g.release(ctx)
	return err
}

// release returns the ticket to wait with for others who are to leave, too.
func (g *Grant) release(ctx context.Context) (ticket uint64, err error) {
	var a acquireAnswer
	err = g.session.Conn().Call(ctx, verbRelease, &g.place, &a)
	return a.Ticket, err
}
