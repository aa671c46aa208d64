package engine

import (
	"cmp"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of the state.
const (
	// DefaultHistory is how many changes of a key are kept in a bucket that no layer declares.
	DefaultHistory = 64
	// MaxTombstones bounds the deleted keys that are remembered, in all buckets
	// together; the oldest are collected first, which raises their bucket's floor.
	MaxTombstones = 1 << 17
	// changeOverhead is what a change costs in memory beside its key and value.
	changeOverhead = 256
)

// state is the head of the engine: the keyspace with everything evaluated so
// far, acknowledged or not. Only the engine's loop touches it. Snapshots are
// taken by copying the keyspace, which costs nothing.
type state struct {
	keyspace
	round   uint64 // names the copies of keys that this round may write
	bytes   int64  // of all kept changes
	graves  []grave
	config  func(bucket string) Bucket
	configs map[string]Bucket
}

// grave remembers when a key was deleted, oldest first.
type grave struct {
	bucket, key string
	revision    uint64
}

func newState(config func(string) Bucket) *state {
	return &state{config: config, configs: map[string]Bucket{}}
}

// bucket returns the declaration of a bucket.
func (s *state) bucket(name string) Bucket {
	b, ok := s.configs[name]
	if !ok {
		b = s.config(name)
		s.configs[name] = b
	}
	return b
}

// snapshot returns the keyspace as it is now; later writes do not show in it.
func (s *state) snapshot() keyspace {
	s.round++ // every bucket that is written from here on is copied first
	return keyspace{buckets: *s.buckets.Copy(), revision: s.revision}
}

// reset makes the state hold a snapshot again: what came after it never was.
func (s *state) reset(snap *Snapshot) {
	s.round++
	s.keyspace = keyspace{buckets: *snap.buckets.Copy(), revision: snap.revision}
	s.bytes, s.graves = snap.bytes, snap.graves[:len(snap.graves):len(snap.graves)]
}

// touch returns the keys of a bucket for writing.
func (s *state) touch(bucket string) *keys {
	k, ok := s.buckets.Get(bucket)
	switch {
	case !ok:
		k = &keys{round: s.round}
	case k.round == s.round:
		return k
	default:
		k = k.copy(s.round)
	}
	s.buckets.Set(bucket, k)
	return k
}

// undo is what a write replaced.
type undo struct {
	bucket, key string
	live, dead  *slot
	bytes       int64 // that the write added
}

// write makes c the newest change of its key and returns how to take it back.
// The fields that follow from the state (Previous, Created, Version) are set.
func (s *state) write(c *bus.Change) undo {
	k := s.touch(c.Bucket)
	live, _ := k.live.Get(c.Key)
	dead, _ := k.dead.Get(c.Key)
	u := undo{bucket: c.Bucket, key: c.Key, live: live, dead: dead, bytes: -s.bytes}
	before := live
	if before == nil {
		before = dead
	}
	link(c, live, before)
	s.bytes += changeSize(c)
	b := s.bucket(c.Bucket)
	next := &slot{cur: c, older: s.window(before, b.History)}
	switch {
	case c.Op == bus.OpPut:
		k.live.Set(c.Key, next)
		if dead != nil {
			k.dead.Delete(c.Key)
		}
	case b.Transient:
		k.live.Delete(c.Key)
		s.forget(next)
	default:
		k.live.Delete(c.Key)
		k.dead.Set(c.Key, next)
	}
	u.bytes += s.bytes
	return u
}

// link sets the fields of c that follow from the key's state before it.
func link(c *bus.Change, live, before *slot) {
	if before != nil {
		c.Previous = before.cur.Revision
	}
	switch {
	case c.Op == bus.OpDelete:
		c.Version, c.Created = 0, before.cur.Created
	case live != nil:
		c.Version, c.Created = live.cur.Version+1, live.cur.Created
	default:
		c.Version, c.Created = 1, c.Revision
	}
}

// window returns the changes to keep behind a new one.
func (s *state) window(before *slot, history int) []*bus.Change {
	if before == nil {
		return nil
	}
	if history <= 1 {
		s.forget(before)
		return nil
	}
	older := append(before.older, before.cur)
	for len(older) > history-1 {
		s.bytes -= changeSize(older[0])
		older = older[1:]
	}
	return older
}

// forget takes a dropped slot out of the count of bytes.
func (s *state) forget(sl *slot) {
	sl.versions(func(c *bus.Change) { s.bytes -= changeSize(c) })
}

// bury remembers which of the changes of a transaction left tombstones. It is
// called when nothing can undo the transaction any more.
func (s *state) bury(changes []*bus.Change) {
	for _, c := range changes {
		if c.Op == bus.OpDelete && !s.bucket(c.Bucket).Transient {
			s.graves = append(s.graves, grave{c.Bucket, c.Key, c.Revision})
		}
	}
}

// tidy collects the oldest tombstones beyond the bound. It is called at the
// end of each record, here and when the log is folded, so that both collect the
// same (TestCollect).
func (s *state) tidy() {
	if len(s.graves) <= MaxTombstones {
		return
	}
	for n := s.tombstones(); n > MaxTombstones; s.graves = s.graves[1:] {
		if s.collect(s.graves[0]) {
			n--
		}
	}
	if len(s.graves) > 2*MaxTombstones {
		s.graves = s.occupied()
	}
}

func (s *state) tombstones() (n int) {
	s.buckets.Scan(func(_ string, k *keys) bool { n += k.dead.Len(); return true })
	return n
}

// occupied is the graves of keys that are still deleted.
func (s *state) occupied() (out []grave) {
	for _, g := range s.graves {
		if k, ok := s.buckets.Get(g.bucket); ok && k.buried(g) != nil {
			out = append(out, g)
		}
	}
	return out
}

// buried returns the slot of the key in a grave; nil if the key has been
// written since.
func (k *keys) buried(g grave) *slot {
	if sl, ok := k.dead.Get(g.key); ok && sl.cur.Revision == g.revision {
		return sl
	}
	return nil
}

// collect drops a deleted key whole, if it is still the one that was buried.
func (s *state) collect(g grave) bool {
	k := s.touch(g.bucket)
	sl := k.buried(g)
	if sl == nil {
		return false
	}
	k.dead.Delete(g.key)
	k.floor = max(k.floor, g.revision)
	s.forget(sl)
	return true
}

// take undoes one write.
func (s *state) take(u undo) {
	k := s.touch(u.bucket)
	restore(&k.live, u.key, u.live)
	restore(&k.dead, u.key, u.dead)
	s.bytes -= u.bytes
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
	sl.versions(func(c *bus.Change) { s.bytes += changeSize(c) })
}

// loaded ends a load: the tombstones are buried in the order of their deletes.
func (s *state) loaded() {
	var dead []*bus.Change
	s.buckets.Scan(func(_ string, k *keys) bool {
		k.dead.Scan(func(_ string, sl *slot) bool { dead = append(dead, sl.cur); return true })
		return true
	})
	slices.SortFunc(dead, func(a, b *bus.Change) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Part, b.Part))
	})
	s.bury(dead)
}

func changeSize(c *bus.Change) int64 {
	return int64(len(c.Key) + len(c.Value) + len(c.Owner) + changeOverhead)
}
