package kvbucket

import (
	"slices"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Entry is one version of one key.
type Entry struct {
	Bucket, Key string
	Value       []byte // nil for a delete; shared with other readers: do not modify
	Op          bus.Op
	Revision    uint64    // of the transaction that made it
	Previous    uint64    // revision of the key's change before it, deletes included; 0: none
	Created     uint64    // revision that created the key
	Version     uint64    // 1 at creation, +1 each write; 0 for a delete
	Time        time.Time // wall time of the host, for people
	Clock       uint64    // Lamport clock of the writer
	Owner       string    // id of the key's owner; empty: none
	Token       uint64    // the owner's fencing token; 0: none
	Reason      string    // of a delete: bus.ReasonDeleted, …
}

func newEntry(c *bus.Change) *Entry {
	e := entryOf(c)
	return &e
}

func entryOf(c *bus.Change) Entry {
	return Entry{
		Bucket: c.Bucket, Key: c.Key, Value: c.Value, Op: c.Op, Revision: c.Revision, Previous: c.Previous,
		Created: c.Created, Version: c.Version, Time: time.Unix(0, c.Time), Clock: c.Clock,
		Owner: c.Owner, Token: c.Token, Reason: c.Reason,
	}
}

// entryPiece is how many entries of a list share their memory: whoever keeps
// one keeps so many.
const entryPiece = 16

func appendEntries(to []*Entry, changes []*bus.Change) []*Entry {
	to = slices.Grow(to, len(changes))
	for piece := range slices.Chunk(changes, entryPiece) {
		entries := make([]Entry, len(piece))
		for i, c := range piece {
			entries[i] = entryOf(c)
			to = append(to, &entries[i])
		}
	}
	return to
}
