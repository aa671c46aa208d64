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
	virtual []func(Reader, string) (uint64, bool) // owners that are no registrations
	user    string
	clock   uint64
	wakes   []string // keys of parked requests: see Park
	givenUp []givenUp
	parking *parking // nil for a request that was woken, and for none
	now     int64    // engine time
	wall    int64
	changes []*bus.Change   // nil: the key was written again
	undo    []undo          // of changes
	gone    int             // how many changes are nil
	index   map[WaitKey]int // of the first indexed changes, once there are many
	indexed int

	leases                int // that PutTTL has made
	settled, settledBytes int // keys that were deleted for ending owners
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

// Put sets a key and keeps its owner.
func (tx *Tx) Put(bucket, key string, value []byte) *bus.Change {
	var o Owner
	if c := tx.Get(bucket, key); c != nil {
		o = Owner{c.Owner, c.Token}
	}
	return tx.put(bucket, key, value, o)
}

// PutOwned sets a key and its owner; the zero Owner is none. Whether the owner
// is alive is for the caller to ask.
func (tx *Tx) PutOwned(bucket, key string, value []byte, o Owner) *bus.Change {
	tx.release(tx.Get(bucket, key), o.ID)
	return tx.put(bucket, key, value, o)
}

func (tx *Tx) put(bucket, key string, value []byte, o Owner) *bus.Change {
	if value == nil {
		value = []byte{}
	}
	return tx.change(&bus.Change{Bucket: bucket, Key: key, Op: bus.OpPut, Value: value, Owner: o.ID, Token: o.Token})
}

// Delete removes a key and tells whether it was there.
func (tx *Tx) Delete(bucket, key, reason string) bool {
	c := tx.Get(bucket, key)
	if c == nil {
		return false
	}
	tx.release(c, "")
	tx.change(&bus.Change{Bucket: bucket, Key: key, Op: bus.OpDelete, Reason: reason})
	return true
}

// MaxChanges bounds the changes of one transaction.
const MaxChanges = 1 << 16

// tooManyChanges ends a procedure that goes over MaxChanges at once: the
// engine takes back what it did and answers CodeTooLarge.
type tooManyChanges struct{}

func errTooManyChanges() error {
	return bus.NewError(bus.CodeTooLarge, "the transaction changes more than %d keys", MaxChanges).WithHint("split it: delete or put fewer keys at a time")
}

// change is write within the bound of a transaction.
func (tx *Tx) change(c *bus.Change) *bus.Change {
	if tx.write(c); tx.count() > MaxChanges {
		panic(tooManyChanges{}) // recovered where the procedure was called
	}
	return c
}

// count is how many changes the transaction has.
func (tx *Tx) count() int { return len(tx.changes) - tx.gone }

// write makes c the key's change in this transaction: of several writes of
// one key the last counts, so a transaction changes a key at most once.
func (tx *Tx) write(c *bus.Change) *bus.Change {
	c.Revision, c.Clock, c.Time = tx.Revision(), tx.clock, tx.wall
	if i, ok := tx.written(c); ok {
		if o := tx.changes[i]; c.Op == bus.OpPut && (o.Op == bus.OpDelete || o.Version == 1) {
			c.Version = 1 // the key begins again: see link
		}
		tx.unwrite(i)
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
		i := slices.IndexFunc(tx.changes, func(o *bus.Change) bool { return o != nil && o.Key == c.Key && o.Bucket == c.Bucket })
		return i, i >= 0
	}
	if tx.index == nil {
		tx.index = map[WaitKey]int{}
	}
	for ; tx.indexed < len(tx.changes); tx.indexed++ {
		if o := tx.changes[tx.indexed]; o != nil {
			tx.index[WaitKey{o.Bucket, o.Key}] = tx.indexed
		}
	}
	i, ok := tx.index[WaitKey{c.Bucket, c.Key}]
	return i, ok
}

// unwrite takes back one change. Its place is left empty, so that a
// transaction that writes all its keys again takes no longer than twice
// (TestRewriteManyKeys).
func (tx *Tx) unwrite(i int) {
	c := tx.changes[i]
	tx.s.take(tx.undo[i])
	if tx.indexed > i {
		delete(tx.index, WaitKey{c.Bucket, c.Key})
	}
	tx.changes[i], tx.undo[i] = nil, undo{}
	if tx.gone++; tx.gone > indexAt && tx.gone > len(tx.changes)/2 {
		tx.compact()
	}
}

// compact drops the empty places.
func (tx *Tx) compact() {
	if tx.gone == 0 {
		return
	}
	n := 0
	for i, c := range tx.changes {
		if c != nil {
			tx.changes[n], tx.undo[n] = c, tx.undo[i]
			n++
		}
	}
	clear(tx.undo[n:])
	tx.changes, tx.undo, tx.gone = tx.changes[:n], tx.undo[:n], 0
	tx.index, tx.indexed = nil, 0
}

// commit ends the transaction: its changes are in the state and number it.
func (tx *Tx) commit() {
	tx.compact()
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
		if tx.changes[i] != nil {
			tx.s.take(tx.undo[i])
		}
	}
	tx.changes, tx.undo, tx.gone = nil, nil, 0
}
