package atomic

import (
	"encoding/json"

	"github.com/lwjbus/lwjbus/bus"
)

// free tells whether what a waiter wants is to be had now. At a barrier it
// never is: those who wait make it so.
func (q *queue) free(w *waiter) bool {
	switch q.line {
	case lineBarrier, lineDouble:
		return false
	case lineSemaphore:
		return q.tally().Held < w.Size
	}
	if q.tx.Get(LockBucket, string(q.line)+"."+q.name) != nil {
		return false
	}
	return w.Shared || q.tally().Held == 0
}

// grant gives a waiter what it waits for. The revision of its key is the fence.
func (q *queue) grant(w *waiter) {
	value, _ := json.Marshal(grantValue{w.Owner, w.Call}) // plain fields
	bucket, key := w.grantKey()
	q.tx.PutOwned(bucket, key, value, w.owner())
	if q.line == lineElection {
		q.tx.PutOwned(LockBucket, leaderPrefix+q.name, w.Value, w.owner())
	}
	if bucket == HoldBucket {
		t := q.tally()
		t.Size, t.Held = w.Size, t.Held+1
		q.setTally(t)
	}
}

// remove takes away a key of a session: its place in line, or its grant. The
// line has not been passed on yet.
func (q *queue) remove(c *bus.Change) {
	switch {
	case c.Bucket == waitBucket:
		q.dequeue(c.Key)
	case c.Bucket == HoldBucket:
		if q.tx.Delete(HoldBucket, c.Key, q.reason) {
			t := q.tally()
			t.Held--
			q.setTally(t)
		}
	case c.Key == leaderPrefix+q.name: // it goes with the grant
	default:
		q.tx.Delete(LockBucket, c.Key, q.reason)
		if q.line == lineElection {
			q.tx.Delete(LockBucket, leaderPrefix+q.name, q.reason)
		}
	}
}

// gather opens a barrier if all it waits for are there. A double barrier is
// entered again when all have left.
func (q *queue) gather() {
	t := q.tally()
	if q.line == lineDouble {
		if t.Held > 0 {
			return
		}
		q.part()
	}
	if t.Size == 0 || t.Arrived < t.Size {
		return
	}
	if q.turn.left <= 0 {
		q.later()
		return
	}
	there := q.there(t.Size)
	if len(there) < t.Size {
		return
	}
	for _, w := range there {
		q.turn.left--
		q.dequeue(w.key())
		if q.line == lineDouble {
			q.grant(w)
		}
	}
}

// there is the first of those in line, at most n, whose sessions live; it
// takes out those whose sessions have ended before them.
func (q *queue) there(n int) (alive []*waiter) {
	var gone []string
	q.each(linePrefix(q.line, q.name), func(c *bus.Change) bool {
		if w := q.readWaiter(c); q.tx.OwnerAlive(w.owner()) {
			alive = append(alive, w)
		} else {
			gone = append(gone, c.Key)
		}
		return len(alive) < n
	})
	for _, key := range gone {
		q.dequeue(key)
	}
	return alive
}

// part tells those who have left a double barrier that all have.
func (q *queue) part() {
	var keys []string
	q.each(linePrefix(leavePrefix, q.name), func(c *bus.Change) bool {
		keys = append(keys, c.Key)
		return true
	})
	for _, key := range keys {
		q.turn.left--
		q.tx.Delete(waitBucket, key, q.reason)
	}
}
