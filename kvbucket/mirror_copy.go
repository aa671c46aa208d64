package kvbucket

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/lwjbus/lwjbus/bus"
)

// mirrorOverhead is what an entry costs in memory beside its texts and value.
const mirrorOverhead = 256

// mirrorCopy is the keys of a mirror.
type mirrorCopy struct {
	bucket string
	tree   btree.Map[string, *Entry]
	bytes  int64
}

// entry is a change as it is kept: all of them share the bucket's name, and
// none holds the memory of the message it came in.
func (c *mirrorCopy) entry(ch *bus.Change) *Entry {
	e := newEntry(ch)
	e.Bucket, e.Value = c.bucket, bytes.Clone(e.Value)
	return e
}

// load adds a key of a page, which are in order.
func (c *mirrorCopy) load(ch *bus.Change) {
	e := c.entry(ch)
	c.tree.Load(e.Key, e)
	c.bytes += mirrorSize(e.Key, e.Owner, e.Value)
}

// apply makes the key be as e says.
func (c *mirrorCopy) apply(e *Entry) {
	var old *Entry
	if e.Op == bus.OpDelete {
		old, _ = c.tree.Delete(e.Key)
	} else {
		old, _ = c.tree.Set(e.Key, e)
		c.bytes += mirrorSize(e.Key, e.Owner, e.Value)
	}
	if old != nil {
		c.bytes -= mirrorSize(old.Key, old.Owner, old.Value)
	}
}

// after is how many bytes it would be with the changes of one transaction.
func (c *mirrorCopy) after(changes []*bus.Change) int64 {
	n := c.bytes
	for _, ch := range changes {
		if old, ok := c.tree.Get(ch.Key); ok {
			n -= mirrorSize(old.Key, old.Owner, old.Value)
		}
		if ch.Op == bus.OpPut {
			n += mirrorSize(ch.Key, ch.Owner, ch.Value)
		}
	}
	return n
}

// mirrorSize is how many bytes a key counts for.
func mirrorSize(key, owner string, value []byte) int64 {
	return int64(len(key) + len(owner) + len(value) + mirrorOverhead)
}
