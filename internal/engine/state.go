package engine

import (
	"strings"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of the state.
const (
	// DefaultHistory is how many changes of a key are kept in a bucket that nobody declares.
	DefaultHistory = 64
	// changeOverhead is what a change costs in memory beside its key and value.
	changeOverhead = 256
)

// state is the head of the engine: the keyspace with everything evaluated so
// far, acknowledged or not. Only the engine's loop touches it. Snapshots are
// taken by copying the keyspace, which costs nothing.
type state struct {
	clock uint64 // Lamport clock of the newest write
	keyspace
	round    uint64 // names the copies of keys that this round may write
	bytes    int64  // of all kept changes
	graves   []grave
	declared map[string]Bucket // by layers
}

func newState(declared map[string]Bucket) *state {
	return &state{keyspace: keyspace{owned: newOwnedIndex()}, declared: declared}
}

// bucket returns the declaration of a bucket. It follows from the layers and
// the log alone, so that a fold of the log keeps the same.
func (s *state) bucket(name string) Bucket {
	if b, ok := s.declared[name]; ok {
		return b
	}
	return Bucket{Name: name, History: s.history(name)}
}

// snapshot returns the keyspace as it is now; later writes do not show in it.
func (s *state) snapshot() keyspace {
	s.round++ // every bucket that is written from here on is copied first
	return s.keyspace.copy()
}

// reset makes the state hold a snapshot again: what came after it never was.
func (s *state) reset(snap *Snapshot) {
	s.round++
	s.keyspace = snap.keyspace.copy()
	s.bytes, s.graves = snap.bytes, snap.graves[:len(snap.graves):len(snap.graves)]
}

// touch returns the keys of a bucket for writing.
func (s *state) touch(bucket string) *keys {
	k, ok := s.buckets.Get(bucket)
	switch {
	case !ok:
		k = &keys{round: s.round, name: strings.Clone(bucket)}
	case k.round == s.round:
		return k
	default:
		k = k.copy(s.round)
	}
	s.buckets.Set(k.name, k)
	return k
}

// undo is what a write replaced.
type undo struct {
	bucket, key string
	live, dead  *slot
	change      *bus.Change // that was written
	bytes       int64       // that the write added
	past        *keys       // of a bucket that it dropped
}

// write makes c the newest change of its key and returns how to take it back.
// The fields that follow from the state (Previous, Created, Version) are set.
func (s *state) write(c *bus.Change) undo {
	k := s.touch(c.Bucket)
	live, _ := k.live.Get(c.Key)
	dead, _ := k.dead.Get(c.Key)
	u := undo{bucket: k.name, key: c.Key, live: live, dead: dead, change: c, bytes: -k.bytes}
	before := live
	if before == nil {
		before = dead
	}
	link(c, live, before)
	share(c, k, before.newest())
	s.count(k, changeSize(c))
	s.clock = max(s.clock, c.Clock)
	b := s.bucket(c.Bucket)
	next := &slot{cur: c, older: s.window(k, before, b.History)}
	switch {
	case c.Op == bus.OpPut:
		k.live.Set(c.Key, next)
		if dead != nil {
			k.dead.Delete(c.Key)
		}
	case b.Transient:
		k.live.Delete(c.Key)
		s.forget(k, next)
	default:
		k.live.Delete(c.Key)
		k.dead.Set(c.Key, next)
	}
	u.bytes += k.bytes
	s.reindex(k.name, live.newest(), put(c))
	if c.Bucket == BucketBucket {
		s.follow(c.Key, c)
		u.past = s.forgetPast(c)
	}
	return u
}

// count adds to the bytes of the state and of a bucket.
func (s *state) count(k *keys, bytes int64) {
	s.bytes += bytes
	k.bytes += bytes
}

// share makes c use the strings that the state holds already: a change that
// was decoded from the log or a request has its own.
func share(c *bus.Change, k *keys, before *bus.Change) {
	c.Bucket = k.name
	if before == nil {
		return
	}
	c.Key = before.Key
	if c.Owner == before.Owner {
		c.Owner = before.Owner
	}
}

// link sets the fields of c that follow from the key's state before it. A put
// whose version is 1 already follows a delete in its own transaction.
func link(c *bus.Change, live, before *slot) {
	if before != nil {
		c.Previous = before.cur.Revision
	}
	switch {
	case c.Op == bus.OpDelete:
		c.Version, c.Created = 0, before.cur.Created
	case live != nil && c.Version == 0:
		c.Version, c.Created = live.cur.Version+1, live.cur.Created
	default:
		c.Version, c.Created = 1, c.Revision
	}
}

// window returns the changes to keep behind a new one.
func (s *state) window(k *keys, before *slot, history int) []*bus.Change {
	if before == nil {
		return nil
	}
	if history <= 1 {
		s.forget(k, before)
		return nil
	}
	older := append(before.older, before.cur)
	for len(older) > history-1 {
		s.count(k, -changeSize(older[0]))
		older = older[1:]
	}
	return older
}

// forget takes a dropped slot out of the count of bytes.
func (s *state) forget(k *keys, sl *slot) {
	sl.versions(func(c *bus.Change) { s.count(k, -changeSize(c)) })
}

// take undoes one write.
func (s *state) take(u undo) {
	k := s.touch(u.bucket)
	if u.past != nil {
		s.remember(u.key, u.past)
	}
	restore(&k.live, u.key, u.live)
	restore(&k.dead, u.key, u.dead)
	s.count(k, -u.bytes)
	s.reindex(u.bucket, put(u.change), u.live.newest())
	if u.bucket == BucketBucket {
		s.follow(u.key, u.live.newest())
	}
}

func restore(m interface {
	Set(string, *slot) (*slot, bool)
	Delete(string) (*slot, bool)
}, key string, sl *slot) {
	if sl == nil {
		m.Delete(key)
		return
	}
	m.Set(key, sl)
}

// load puts a slot of a checkpoint in place.
func (s *state) load(sl *slot) {
	k := s.touch(sl.cur.Bucket)
	if sl.cur.Op == bus.OpPut {
		k.live.Set(sl.cur.Key, sl)
	} else {
		k.dead.Set(sl.cur.Key, sl)
	}
	var before *bus.Change
	sl.versions(func(c *bus.Change) {
		share(c, k, before)
		s.count(k, changeSize(c))
		s.clock = max(s.clock, c.Clock)
		before = c
	})
	s.reindex(k.name, nil, put(sl.cur))
	if k.name == BucketBucket {
		s.follow(sl.cur.Key, sl.cur)
	}
}

func changeSize(c *bus.Change) int64 {
	return int64(len(c.Key) + len(c.Value) + len(c.Owner) + changeOverhead)
}
