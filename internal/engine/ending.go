package engine

import (
	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of what ends at once. A transaction deletes at most settledPerEnd
// keys of ending owners, with settledBytes of names, and a turn of the loop
// goes on until it has made settledPerTurn changes: others are served between
// two turns (TestManyLeasesEndAtOnce).
const (
	settledPerEnd  = 1024
	settledBytes   = 256 << 10
	settledPerTurn = 1024
)

// EndOwned deletes the keys that an owner owns now, reason
// bus.ReasonOwnerGone: for an owner that is no registration and ends in this
// transaction. What is too much for one transaction goes in later ones, also
// by the next engine: until then the owner has a registration that is ending
// (TestJobOwnerEnds).
func (tx *Tx) EndOwned(o Owner) {
	if tx.settle(o, bus.ReasonOwnerGone) {
		tx.register(o.ID, Registration{Ending: true, Reason: bus.ReasonOwnerGone, Token: o.Token})
	}
}

// settle deletes keys that o owns, within the bounds of a transaction, and
// tells whether any are left.
func (tx *Tx) settle(o Owner, reason string) (more bool) {
	var keys []*bus.Change
	tx.s.Owned(o, func(c *bus.Change) bool {
		if more = tx.settled >= settledPerEnd || tx.settledBytes >= settledBytes; more {
			return false
		}
		tx.settled++
		tx.settledBytes += len(c.Bucket) + len(c.Key)
		keys = append(keys, c)
		return true
	})
	for _, c := range keys {
		tx.Delete(c.Bucket, c.Key, reason)
	}
	return more
}

// endOwner settles what an owner leaves, the layers first. What is too much
// for one transaction is first marked, so that nothing is added, and goes on
// in the next; the reason stays the one that the end began with.
func (e *Engine) endOwner(tx *Tx, o Owner, reason string) {
	r, token, ok := readRegistration(tx.Get(OwnerBucket, o.ID))
	if !ok || token != o.Token {
		return
	}
	if r.Reason != "" {
		reason = r.Reason
	}
	more := false
	for _, settle := range e.ended {
		more = more || settle(tx, o.ID, o.Token, settledPerEnd)
	}
	if more = more || tx.settle(o, reason); more {
		r.Ending, r.Reason = true, reason
		tx.register(o.ID, r)
		return
	}
	tx.Delete(OwnerBucket, o.ID, reason)
}

// endLeases ends owners whose leases are over, and goes on with those that are
// ending, as far as one turn goes.
func (e *Engine) endLeases() {
	if len(e.rounds) >= maxRounds {
		return // the log is behind: the next tick goes on
	}
	e.ending = false
	for changes := 0; changes < settledPerTurn; {
		o, due := e.leases.expire(e.now)
		if !due {
			return
		}
		_, err := e.transact("", 0, true, func(tx *Tx) (any, error) {
			e.endOwner(tx, o, bus.ReasonLeaseExpired)
			changes += tx.count()
			return nil, nil
		}, nil)
		if err != nil {
			e.cfg.Logger.Error("an owner cannot be ended", "owner", o.ID, "error", err)
			e.leases.failed(o, e.now)
		}
	}
	e.ending = true
}

// moreEnds is ready while owners are left to be ended and rounds have room.
func (e *Engine) moreEnds() <-chan struct{} {
	if !e.ending || len(e.rounds) >= maxRounds {
		return nil
	}
	return e.always
}
