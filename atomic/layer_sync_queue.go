package atomic

import (
	"encoding/json"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// queue is one line in one transaction: who waits, in the order of tickets,
// and who holds what they wait for.
type queue struct {
	tx     *engine.Tx
	turn   *turn
	line   line
	name   string
	reason string // of deletes
}

// turn is what a transaction may still do.
type turn struct{ left int }

func newQueue(tx *engine.Tx, l line, name string) *queue {
	return &queue{tx: tx, turn: &turn{left: grantsPerTurn}, line: l, name: name, reason: bus.ReasonDeleted}
}

// each calls fn for the keys below a prefix that ends in ":", in their order.
func (q *queue) each(prefix string, fn func(*bus.Change) bool) {
	to := prefix[:len(prefix)-1] + ";"
	q.tx.Range(waitBucket, prefix, &to, fn)
}

// first is who comes next; nil: nobody waits.
func (q *queue) first() (w *waiter) {
	q.each(linePrefix(q.line, q.name), func(c *bus.Change) bool {
		w = q.readWaiter(c)
		return false
	})
	return w
}

// size is the size that the line has while it is in use; 0: any.
func (q *queue) size(first *waiter) int {
	if t := q.tally(); t.Size != 0 || first == nil {
		return t.Size
	}
	return first.Size
}

func (q *queue) tally() (t tally) {
	if c := q.tx.Get(LockBucket, q.tallyKey()); c != nil && q.counts() {
		_ = json.Unmarshal(c.Value, &t) // written by setTally
	}
	return t
}

// counts tells whether the line has a tally: of an election, its key is the
// leader's.
func (q *queue) counts() bool { return q.line != lineElection }

func (q *queue) setTally(t tally) {
	if t.Held == 0 && t.Arrived == 0 {
		q.tx.Delete(LockBucket, q.tallyKey(), q.reason)
		return
	}
	value, _ := json.Marshal(t) // plain numbers
	q.tx.Put(LockBucket, q.tallyKey(), value)
}

// enqueue puts a waiter in line.
func (q *queue) enqueue(w *waiter) {
	value, _ := bus.Marshal(w) // plain fields
	q.tx.PutOwned(waitBucket, w.key(), value, w.owner())
	if q.line.gathers() {
		t := q.tally()
		t.Size, t.Arrived = w.Size, t.Arrived+1
		q.setTally(t)
	}
}

// dequeue takes a waiter out of the line.
func (q *queue) dequeue(key string) {
	if q.tx.Delete(waitBucket, key, q.reason) && q.line.gathers() {
		t := q.tally()
		t.Arrived--
		q.setTally(t)
	}
}

// find is what there is of a place: the place, or its grant. Without a ticket
// it is looked for among all that its session has.
func (q *queue) find(p *place) (found *bus.Change) {
	bucket, key := p.grantKey()
	for _, c := range []*bus.Change{q.tx.Get(waitBucket, p.key()), q.tx.Get(bucket, key)} {
		if q.is(c, p) {
			return c
		}
	}
	for _, bucket := range []string{waitBucket, HoldBucket} {
		if p.Ticket != 0 || found != nil {
			break
		}
		q.tx.OwnedIn(p.owner(), bucket, func(c *bus.Change) bool {
			if q.is(c, p) {
				found = c
			}
			return found == nil
		})
	}
	return found
}

// is tells whether c is the place, or its grant.
func (q *queue) is(c *bus.Change, p *place) bool {
	if c == nil || c.Bucket != waitBucket {
		return p.holds(c)
	}
	w := q.readWaiter(c)
	return strings.HasPrefix(c.Key, linePrefix(q.line, q.name)) && w.Owner == p.Owner && w.Token == p.Token && w.Call == p.Call
}

// pass calls those whose turn it is, the first first. A waiter whose session
// has ended is passed over. What is too much for one transaction goes in the
// next.
func (q *queue) pass() {
	if q.line.gathers() {
		q.gather()
		return
	}
	for w := q.first(); w != nil; w = q.first() {
		alive := q.tx.OwnerAlive(w.owner())
		switch {
		case alive && !q.free(w):
			return
		case q.turn.left <= 0:
			q.later()
			return
		}
		q.turn.left--
		q.dequeue(w.key())
		if alive {
			q.grant(w)
		}
	}
}

// later has the line go on with the next tick of the engine.
func (q *queue) later() {
	q.tx.SetTimer(lockLayer, engine.Timer{Due: q.tx.Now(), ID: linePrefix(q.line, q.name)})
}
