package engine

import (
	"cmp"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxTombstones bounds the deleted keys that are remembered, in all buckets
// together; the oldest are collected first, which raises their bucket's floor.
const MaxTombstones = 1 << 17

// grave remembers when a key was deleted, oldest first.
type grave struct {
	bucket, key string
	revision    uint64
}

// bury remembers which of the changes of a transaction left tombstones. In a
// transient bucket none is left, so nothing is known of what was before
// (TestPastOfTransient). It is called when nothing can undo the transaction any
// more.
func (s *state) bury(changes []*bus.Change) {
	for _, c := range changes {
		switch {
		case c.Op != bus.OpDelete:
		case s.declared[c.Bucket].Transient:
			s.touch(c.Bucket).floor = c.Revision
		default:
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
	s.forget(k, sl)
	return true
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
