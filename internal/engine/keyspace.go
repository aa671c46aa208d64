package engine

import (
	"sort"

	"github.com/tidwall/btree"

	"github.com/lwjbus/lwjbus/bus"
)

// slot is everything known of one key: its newest change and the window of
// changes before it, oldest first. A slot is never modified: a write makes a
// new one, so snapshots share slots without locks.
type slot struct {
	cur   *bus.Change
	older []*bus.Change
}

// newest is the key's newest change; nil where there is no slot.
func (sl *slot) newest() *bus.Change {
	if sl == nil {
		return nil
	}
	return sl.cur
}

// put is c if it leaves a key behind, else nil.
func put(c *bus.Change) *bus.Change {
	if c.Op == bus.OpPut {
		return c
	}
	return nil
}

// versions calls fn for every kept change of the key, oldest first.
func (sl *slot) versions(fn func(*bus.Change)) {
	for _, c := range sl.older {
		fn(c)
	}
	fn(sl.cur)
}

// oldest is the oldest kept change of the key.
func (sl *slot) oldest() *bus.Change {
	if len(sl.older) > 0 {
		return sl.older[0]
	}
	return sl.cur
}

// at returns the key's change that was the newest at revision rev, or nil
// where there was none. compacted is not 0 when the answer is no longer
// known: the first revision that is.
func (sl *slot) at(rev uint64) (c *bus.Change, compacted uint64) {
	if sl.cur.Revision <= rev {
		return sl.cur, 0
	}
	i := sort.Search(len(sl.older), func(i int) bool { return sl.older[i].Revision > rev })
	if i > 0 {
		return sl.older[i-1], 0
	}
	if first := sl.oldest(); first.Previous != 0 {
		return nil, first.Revision
	}
	return nil, 0
}

// keys is the ordered keys of one bucket. Deleted keys stand apart, so that a
// scan never walks over tombstones.
type keys struct {
	live  btree.Map[string, *slot]
	dead  btree.Map[string, *slot]
	floor uint64 // the newest change that was dropped whole, with its key
	round uint64 // the round in which head made this copy
	bytes int64  // of the kept changes
	name  string // of the bucket, which its changes share
}

// copy returns keys that share everything with k until one of them is written.
func (k *keys) copy(round uint64) *keys {
	return &keys{live: *k.live.Copy(), dead: *k.dead.Copy(), floor: k.floor, round: round, bytes: k.bytes, name: k.name}
}

// keyspace is all buckets. The zero value is empty. Its methods only read.
type keyspace struct {
	buckets  btree.Map[string, *keys]
	dynamic  btree.Map[string, declaration] // what BucketBucket says
	owned    *ownedIndex
	revision uint64 // of the newest transaction in it
}

// Revision is the newest revision in it.
func (s *keyspace) Revision() uint64 { return s.revision }

// Get returns the key's newest change, or nil where the key does not exist.
func (s *keyspace) Get(bucket, key string) *bus.Change {
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return nil
	}
	sl, ok := k.live.Get(key)
	if !ok {
		return nil
	}
	return sl.cur
}

// Range calls fn for every key in [from, to) in order, until fn returns
// false. A nil to is unbounded.
func (s *keyspace) Range(bucket, from string, to *string, fn func(*bus.Change) bool) {
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return
	}
	k.live.Ascend(from, func(key string, sl *slot) bool {
		return (to == nil || key < *to) && fn(sl.cur)
	})
}

// history is how many changes of a key are kept in a bucket of no layer.
func (s *keyspace) history(bucket string) int {
	if d, ok := s.dynamic.Get(bucket); ok && d.History > 0 {
		return d.History
	}
	return DefaultHistory
}

// copy returns the keyspace as it is now: later writes to s do not show in it.
func (s *keyspace) copy() keyspace {
	return keyspace{buckets: *s.buckets.Copy(), dynamic: *s.dynamic.Copy(), owned: s.owned.Copy(), revision: s.revision}
}

// floor is the newest change of a bucket that was dropped whole, with its key.
func (s *keyspace) floor(bucket string) uint64 {
	if k, ok := s.buckets.Get(bucket); ok {
		return k.floor
	}
	return 0
}

// Buckets calls fn with the name of every bucket that was ever written or declared.
func (s *keyspace) Buckets(fn func(name string) bool) {
	s.buckets.Scan(func(name string, _ *keys) bool { return fn(name) })
}

// slots calls fn for the slots of [from, to) in key order, deleted ones too.
func (k *keys) slots(from string, to *string, fn func(*slot) bool) {
	live, dead := k.live.Iter(), k.dead.Iter()
	l, d := live.Seek(from), dead.Seek(from)
	for l || d {
		it, next := &live, &l
		if !l || (d && dead.Key() < live.Key()) {
			it, next = &dead, &d
		}
		if to != nil && it.Key() >= *to {
			return
		}
		if !fn(it.Value()) {
			return
		}
		*next = it.Next()
	}
}

// slot returns the slot of a key, deleted or not, or nil.
func (k *keys) slot(key string) *slot {
	if sl, ok := k.live.Get(key); ok {
		return sl
	}
	sl, _ := k.dead.Get(key)
	return sl
}

// RangeAt is Range as of revision rev.
//
// Errors: bus.ErrCompacted, with the first revision that would work, when
// what a key of the range held at rev is no longer kept; a revision that has
// not been is CodeUsage. fn may have been called before the error.
func (s *keyspace) RangeAt(rev uint64, bucket, from string, to *string, fn func(*bus.Change) bool) error {
	if err := s.checkRevision(rev); err != nil {
		return err
	}
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return nil
	}
	first := uint64(0)
	if rev < k.floor {
		first = k.floor
	}
	more := true
	k.slots(from, to, func(sl *slot) bool {
		c, compacted := sl.at(rev)
		first = max(first, compacted)
		if first == 0 && c != nil && c.Op == bus.OpPut {
			more = fn(c)
		}
		return more
	})
	return compactedAt(rev, first)
}

// GetAt is Get as of revision rev, with the errors of RangeAt.
func (s *keyspace) GetAt(rev uint64, bucket, key string) (*bus.Change, error) {
	if err := s.checkRevision(rev); err != nil {
		return nil, err
	}
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return nil, nil
	}
	return k.at(k.slot(key), rev)
}

// at returns what a key held at revision rev; a nil slot is a key of which
// nothing is known.
func (k *keys) at(sl *slot, rev uint64) (*bus.Change, error) {
	var c *bus.Change
	compacted := uint64(0)
	if sl != nil {
		c, compacted = sl.at(rev)
	}
	if c == nil && rev < k.floor { // it may have been there before it was collected
		compacted = max(compacted, k.floor)
	}
	if compacted != 0 {
		return nil, compactedAt(rev, compacted)
	}
	if c == nil || c.Op == bus.OpDelete {
		return nil, nil
	}
	return c, nil
}

// History returns the kept changes of a key, oldest first, deletes included.
func (s *keyspace) History(bucket, key string) []*bus.Change {
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return nil
	}
	sl := k.slot(key)
	if sl == nil {
		return nil
	}
	out := make([]*bus.Change, 0, len(sl.older)+1)
	sl.versions(func(c *bus.Change) { out = append(out, c) })
	return out
}

func (s *keyspace) checkRevision(rev uint64) error {
	if rev > s.revision {
		return bus.NewError(bus.CodeUsage, "revision %d has not been yet: the newest is %d", rev, s.revision).
			WithRevision(s.revision).WithHint("name one that has been, or wait for it: lwj kv revision --wait %d", rev)
	}
	return nil
}

func compactedAt(rev, first uint64) error {
	if first == 0 {
		return nil
	}
	return bus.NewError(bus.CodeCompacted, "revision %d is compacted: the first that can be read is %d", rev, first).WithRevision(first)
}
