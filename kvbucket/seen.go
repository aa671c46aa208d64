package kvbucket

import "github.com/lwjbus/lwjbus/bus"

// Bounds of what a watch remembers of the keys it has seen, for each of two
// generations.
const (
	seenKeys  = 2048
	seenBytes = 8 << 20
)

// seen remembers the last change of keys, so that what the next one replaces
// need not be asked for. It forgets the keys that have been quiet longest: all
// that did not change while the younger generation filled up.
type seen struct {
	young, old map[string]*bus.Change
	bytes      int // of young
}

// get returns the key's change of a revision, or nil.
func (s *seen) get(key string, revision uint64) *bus.Change {
	for _, m := range []map[string]*bus.Change{s.young, s.old} {
		if c := m[key]; c != nil && c.Revision == revision {
			return c
		}
	}
	return nil
}

// put remembers a change.
func (s *seen) put(c *bus.Change) {
	if s.young == nil || len(s.young) >= seenKeys || s.bytes >= seenBytes {
		s.young, s.old, s.bytes = map[string]*bus.Change{}, s.young, 0
	}
	if was := s.young[c.Key]; was != nil {
		s.bytes -= entrySize(was)
	}
	s.young[c.Key] = c
	s.bytes += entrySize(c)
}

// entrySize is what a version weighs in a page or in memory.
func entrySize(c *bus.Change) int { return len(c.Key) + len(c.Value) + len(c.Owner) + entryBytes }
