package engine

import (
	"slices"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Tx is one transaction while it is evaluated. It sees its own writes and
// those of every transaction before it. A key that it writes several times is
// changed once, to what was written last. It is valid until its procedure
// returns, in that goroutine only.
type Tx struct {
	s       *state
	user    string
	clock   uint64
	now     int64 // engine time
	wall    int64
	changes []*bus.Change
	undo    []undo
	index   map[[2]string]int // of changes, once there are many
}

// Get returns the key's newest change, or nil where the key does not exist.
func (tx *Tx) Get(bucket, key string) *bus.Change { return tx.s.Get(bucket, key) }

// Range calls fn for every key in [from, to), in order, until fn returns
// false. A nil to is unbounded. fn must not write: collect first.
func (tx *Tx) Range(bucket, from string, to *string, fn func(*bus.Change) bool) {
	tx.s.Range(bucket, from, to, fn)
}

// Revision is the revision this transaction gets if it changes something.
func (tx *Tx) Revision() uint64 { return tx.s.revision + 1 }

// User is the name the request was made under.
func (tx *Tx) User() string { return tx.user }

// Now is engine time: it never falls, and stands still while no engine runs.
func (tx *Tx) Now() time.Duration { return time.Duration(tx.now) }

// Wall is the round's wall time, for people.
func (tx *Tx) Wall() time.Time { return time.Unix(0, tx.wall) }

// Owner is who owns a key: the owner's id and fencing token.
type Owner struct {
	ID    string
	Token uint64
}

// Put sets a key and keeps its owner.
func (tx *Tx) Put(bucket, key string, value []byte) *bus.Change {
	var o Owner
	if c := tx.Get(bucket, key); c != nil {
		o = Owner{c.Owner, c.Token}
	}
	return tx.PutOwned(bucket, key, value, o)
}

// PutOwned sets a key and its owner; the zero Owner is none.
func (tx *Tx) PutOwned(bucket, key string, value []byte, o Owner) *bus.Change {
	if value == nil {
		value = []byte{}
	}
	return tx.write(&bus.Change{Bucket: bucket, Key: key, Op: bus.OpPut, Value: value, Owner: o.ID, Token: o.Token})
}

// Delete removes a key and tells whether it was there.
func (tx *Tx) Delete(bucket, key, reason string) bool {
	if tx.Get(bucket, key) == nil {
		return false
	}
	tx.write(&bus.Change{Bucket: bucket, Key: key, Op: bus.OpDelete, Reason: reason})
	return true
}

// write makes c the key's change in this transaction: of several writes of
// one key the last counts, so a transaction changes a key at most once.
func (tx *Tx) write(c *bus.Change) *bus.Change {
	c.Revision, c.Clock, c.Time = tx.Revision(), tx.clock, tx.wall
	if i, ok := tx.written(c); ok {
		tx.s.take(tx.undo[i])
		tx.changes = slices.Delete(tx.changes, i, i+1)
		tx.undo = slices.Delete(tx.undo, i, i+1)
		tx.index = nil
		if c.Op == bus.OpDelete && tx.Get(c.Bucket, c.Key) == nil {
			return c // put and deleted: it never was
		}
	}
	tx.undo = append(tx.undo, tx.s.write(c))
	tx.changes = append(tx.changes, c)
	return c
}

// indexAt is how many changes a transaction has when it begins to index them.
const indexAt = 16

// written finds the change of c's key that the transaction made before.
func (tx *Tx) written(c *bus.Change) (int, bool) {
	if len(tx.changes) < indexAt {
		i := slices.IndexFunc(tx.changes, func(o *bus.Change) bool { return o.Key == c.Key && o.Bucket == c.Bucket })
		return i, i >= 0
	}
	if tx.index == nil {
		tx.index = map[[2]string]int{}
	}
	for i := len(tx.index); i < len(tx.changes); i++ {
		tx.index[[2]string{tx.changes[i].Bucket, tx.changes[i].Key}] = i
	}
	i, ok := tx.index[[2]string{c.Bucket, c.Key}]
	return i, ok
}

// commit ends the transaction: its changes are in the state and number it.
func (tx *Tx) commit() {
	for i, c := range tx.changes {
		c.Part, c.Parts = uint32(i+1), uint32(len(tx.changes))
	}
	if len(tx.changes) > 0 {
		tx.s.revision++
	}
}

// rollback takes back every write.
func (tx *Tx) rollback() {
	for i := len(tx.undo) - 1; i >= 0; i-- {
		tx.s.take(tx.undo[i])
	}
	tx.changes, tx.undo = nil, nil
}
