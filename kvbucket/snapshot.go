package kvbucket

import (
	"iter"

	"github.com/tidwall/btree"
)

// Snapshot is what a Mirror held at one revision, between two transactions. It
// never changes, costs nothing to keep but the memory of what has changed
// since, and is safe for concurrent use. Its entries are shared with other
// readers: do not modify them.
type Snapshot struct {
	revision uint64
	tree     *btree.Map[string, *Entry]
}

// Revision is the one at which this was the mirror's part of the bucket.
func (s *Snapshot) Revision() uint64 { return s.revision }

// Len is the number of keys.
func (s *Snapshot) Len() int { return s.tree.Len() }

// Get returns a key's version; false: there is no such key, or it is none of
// the mirror's.
func (s *Snapshot) Get(key string) (*Entry, bool) { return s.tree.Get(key) }

// Range goes over the keys of a range that are in the mirror, in key order.
func (s *Snapshot) Range(r Range) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		s.tree.Ascend(r.From, func(key string, e *Entry) bool { return r.Contains(key) && yield(e) })
	}
}

// Keys returns the keys of a range, in order.
func (s *Snapshot) Keys(r Range) []string {
	var keys []string
	for e := range s.Range(r) {
		keys = append(keys, e.Key)
	}
	return keys
}

// Count is the number of keys in a range; it looks at each of them.
func (s *Snapshot) Count(r Range) (n int) {
	for range s.Range(r) {
		n++
	}
	return n
}
