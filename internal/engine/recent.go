package engine

import (
	"sort"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of the recent changes, which serve readers that missed a little.
const (
	MaxRecent      = 1 << 17
	MaxRecentBytes = 64 << 20
)

// recent is the newest changes of all buckets, in commit order, whole
// transactions. Snapshots share its memory: it only ever grows at the end and
// shrinks at the front.
type recent struct {
	changes []*bus.Change
	bytes   int64
	from    uint64 // every change with this revision or a higher one is here
}

// add appends the changes of one transaction.
func (r *recent) add(changes []*bus.Change) {
	r.changes = append(r.changes, changes...)
	for _, c := range changes {
		r.bytes += changeSize(c)
	}
	for len(r.changes) > MaxRecent || r.bytes > MaxRecentBytes && len(r.changes) > 0 {
		r.drop()
	}
}

// drop removes the oldest transaction.
func (r *recent) drop() {
	revision := r.changes[0].Revision
	for len(r.changes) > 0 && r.changes[0].Revision == revision {
		r.bytes -= changeSize(r.changes[0])
		r.changes = r.changes[1:]
	}
	r.from = revision + 1
}

// clip returns the changes as they are now.
func (r *recent) clip() recent {
	c := *r
	c.changes = r.changes[:len(r.changes):len(r.changes)]
	return c
}

// since returns the changes from a revision on, or false when some are gone.
func (r *recent) since(from uint64) ([]*bus.Change, bool) {
	if from < r.from {
		return nil, false
	}
	i := sort.Search(len(r.changes), func(i int) bool { return r.changes[i].Revision >= from })
	return r.changes[i:], true
}
