package atomic

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

const (
	lockLayer = "lock"
	// waitBucket holds the places in line, by line and ticket, those who wait for
	// others to leave, and marks of what was withdrawn before it came.
	waitBucket = "lwj-wait"
	// lockHistory is how many changes of a lock are kept, to see who had it.
	lockHistory = 16
	// grantsPerTurn bounds the places that one transaction calls; a timer goes on.
	grantsPerTurn = 1024
)

// LockLayer is what a host answers for locks, semaphores, barriers and
// elections.
func LockLayer() engine.Layer {
	withdrawal := engine.Write(verbWithdraw, (*place).check, withdraw)
	releasing := engine.Write(verbRelease, (*place).check, release)
	withdrawal.Reserve, releasing.Reserve = true, true // they free something
	return engine.Layer{
		Name: lockLayer,
		Buckets: []engine.Bucket{
			{Name: LockBucket, History: lockHistory, ReadOnly: true},
			{Name: HoldBucket, History: 1, ReadOnly: true, Transient: true},
			{Name: waitBucket, History: 1, ReadOnly: true, Transient: true},
		},
		Procedures: []engine.Procedure{
			engine.Write(verbAcquire, (*acquireRequest).check, acquire), withdrawal, releasing,
			engine.Write(verbProclaim, (*proclaimRequest).check, proclaim),
		},
		Reads: []engine.Read{
			engine.WaitOf(verbAwait, (*awaitRequest).check, await),
			engine.ReadOf(verbLeader, (*leaderRequest).check, leader),
		},
		OwnerEnded: sessionEnded,
		Timer:      goOn,
	}
}

// registered tells whether the owner is a session: what a job leaves is not
// settled here.
func registered(tx *engine.Tx, o engine.Owner) bool {
	return tx.Get(engine.OwnerBucket, o.ID) != nil && tx.OwnerAlive(o)
}

// acquire grants what is asked for, or puts the caller in line.
func acquire(tx *engine.Tx, in *acquireRequest) (any, error) {
	w := &waiter{place: in.place, Size: in.Size, Value: in.Value}
	w.Ticket = tx.Revision()
	q := newQueue(tx, w.Line, w.Name)
	switch first := q.first(); {
	case !registered(tx, w.owner()):
		return nil, errNoOwner(w.Owner)
	case tx.Delete(waitBucket, w.void(), bus.ReasonDeleted): // its caller has gone already
		return &acquireAnswer{}, nil
	case q.size(first) != 0 && q.size(first) != w.Size:
		return nil, errMismatch(w.Line, w.Name, q.size(first), w.Size)
	case first == nil && q.free(w):
		q.grant(w)
		return &acquireAnswer{Ticket: w.Ticket, Fence: w.Ticket}, nil
	case in.Try:
		return &acquireAnswer{}, nil
	case tx.Keys(waitBucket) >= MaxWaiting:
		return nil, bus.NewError(bus.CodeOverloaded, "%d wait in line already", MaxWaiting).WithHint("try again later")
	}
	return q.join(w), nil
}

// join puts a waiter in line. At a barrier it may be the last that was missing.
func (q *queue) join(w *waiter) *acquireAnswer {
	q.enqueue(w)
	a := &acquireAnswer{Ticket: w.Ticket}
	if !q.line.gathers() {
		return a
	}
	q.pass()
	if q.tx.Get(waitBucket, w.key()) == nil {
		a.Fence, a.Last = w.Ticket, true
	}
	return a
}

// withdraw takes a place back, and what it led to meanwhile. Fence in the
// answer: it was at a barrier that had opened.
func withdraw(tx *engine.Tx, in *place) (any, error) {
	q, a := newQueue(tx, in.Line, in.Name), &acquireAnswer{}
	switch c := q.find(in); {
	case c != nil:
		q.remove(c)
		q.pass()
	case !registered(tx, in.owner()):
	case in.Ticket == 0: // the request is lost, or still to come
		tx.PutOwned(waitBucket, in.void(), nil, in.owner())
	case in.Line == lineBarrier:
		a.Fence = tx.Revision() - 1
	}
	return a, nil
}

// release gives back what a place led to. Who leaves a double barrier gets a
// ticket to wait for the others with, unless it was the last.
func release(tx *engine.Tx, in *place) (any, error) {
	bucket, key := in.grantKey()
	c := tx.Get(bucket, key)
	if !in.holds(c) {
		return nil, errLost(in)
	}
	q, a := newQueue(tx, in.Line, in.Name), &acquireAnswer{}
	q.remove(c)
	if in.Line == lineDouble && q.tally().Held > 0 {
		tx.PutOwned(waitBucket, in.leaveKey(), nil, in.owner())
		a.Ticket = in.Ticket
	}
	q.pass()
	return a, nil
}

// sessionEnded settles what a session leaves: its places, and what they led
// to, which goes to the next in line.
func sessionEnded(tx *engine.Tx, owner string, token uint64, limit int) (more bool) {
	var left []*bus.Change
	for _, bucket := range []string{waitBucket, LockBucket, HoldBucket} {
		tx.OwnedIn(engine.Owner{ID: owner, Token: token}, bucket, func(c *bus.Change) bool {
			if more = len(left) >= limit; !more {
				left = append(left, c)
			}
			return !more
		})
	}
	lines, turn := map[string]*queue{}, &turn{left: grantsPerTurn}
	var touched []*queue
	for _, c := range left {
		l, name, ok := lineOf(c)
		if !ok {
			tx.Delete(c.Bucket, c.Key, bus.ReasonOwnerGone)
			continue
		}
		q := lines[linePrefix(l, name)]
		if q == nil {
			q = &queue{tx: tx, turn: turn, line: l, name: name, reason: bus.ReasonOwnerGone}
			lines[linePrefix(l, name)], touched = q, append(touched, q)
		}
		q.remove(c)
	}
	for _, q := range touched {
		q.pass()
	}
	return more
}

// goOn calls those in a line for whom the last transaction had no room.
func goOn(tx *engine.Tx, id string) error {
	if l, name, ok := parseLine(id); ok {
		newQueue(tx, l, name).pass()
	}
	return nil
}
