package engine

import (
	"cmp"

	"github.com/tidwall/btree"

	"github.com/lwjbus/lwjbus/bus"
)

// ownedIndex finds the keys of an owner: the newest change of each live key
// that has an owner, by owner, token, bucket and key. It is a copy-on-write
// tree, part of each snapshot, and follows from the keys
// (TestOwnerIndexModel, CheckLog).
type ownedIndex = btree.BTreeG[*bus.Change]

func newOwnedIndex() *ownedIndex {
	return btree.NewBTreeGOptions(lessOwned, btree.Options{NoLocks: true})
}

func lessOwned(a, b *bus.Change) bool {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Token, b.Token),
		cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Key, b.Key)) < 0
}

// Owned calls fn for every key that o owns now, by bucket and key, until fn
// returns false. Keys of buckets whose layer settles by itself are left out.
func (s *keyspace) Owned(o Owner, fn func(*bus.Change) bool) {
	if s.owned == nil {
		return
	}
	s.owned.Ascend(&bus.Change{Owner: o.ID, Token: o.Token}, func(c *bus.Change) bool {
		return c.Owner == o.ID && c.Token == o.Token && fn(c)
	})
}

// OwnedIn calls fn for every key of a bucket that o owns now, by key, until fn
// returns false. fn must not write: collect first. Buckets whose layer settles
// by itself have none.
func (tx *Tx) OwnedIn(o Owner, bucket string, fn func(*bus.Change) bool) {
	if tx.s.owned == nil {
		return
	}
	tx.s.owned.Ascend(&bus.Change{Owner: o.ID, Token: o.Token, Bucket: bucket}, func(c *bus.Change) bool {
		return c.Owner == o.ID && c.Token == o.Token && c.Bucket == bucket && fn(c)
	})
}

// indexes tells whether the keys of a bucket are in the index.
func (s *state) indexes(bucket string) bool {
	return bucket != OwnerBucket && !s.declared[bucket].Settles
}

// reindex follows a key from one newest change to the next; nil is a key that
// does not exist.
func (s *state) reindex(bucket string, from, to *bus.Change) {
	had, has := from != nil && from.Owner != "", to != nil && to.Owner != ""
	if !had && !has || !s.indexes(bucket) {
		return
	}
	if had {
		s.owned.Delete(from)
	}
	if has {
		s.owned.Set(to)
	}
}
