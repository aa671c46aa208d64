package engine

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// headerRepair stands on a message that puts a key right, and says up to which
// change the bucket had come then: "revision/part".
const headerRepair = "Lwj-Repair"

// Of NATS KV.
const (
	headerKVOperation = "KV-Operation"
	kvDelete          = "DEL"
	kvPurge           = "PURGE"
)

// position is a place in the order of the changes of all buckets.
type position struct {
	revision uint64
	part     uint32
}

func positionOf(c *bus.Change) position { return position{c.Revision, max(c.Part, 1)} }

func (p position) after(q position) bool {
	return p.revision > q.revision || p.revision == q.revision && p.part > q.part
}

func (p position) String() string {
	return strconv.FormatUint(p.revision, 10) + "/" + strconv.FormatUint(uint64(p.part), 10)
}

// shown is what the header of a projected message says.
type shown struct {
	ours    bool
	at      position // of its change
	upTo    position // of the bucket when it was written
	deleted bool
}

// readShown reads the header of a message in a bucket. It is not ours when it
// names no revision, or one that has not been.
func readShown(h nats.Header, newest uint64) (s shown) {
	op := headerValue(h, headerKVOperation)
	s.deleted = op == kvDelete || op == kvPurge
	if v := headerValue(h, bus.HeaderRevision); v != "" {
		s.at, s.ours = parsePosition(v, headerValue(h, bus.HeaderPart))
		s.upTo = s.at
	}
	if v := headerValue(h, headerRepair); v != "" {
		revision, part, _ := strings.Cut(v, "/")
		s.upTo, s.ours = parsePosition(revision, part)
	}
	s.ours = s.ours && s.upTo.revision <= newest
	return s
}

// parsePosition reads a revision and a part, "i", "i/n" or "" for the first.
func parsePosition(revision, part string) (position, bool) {
	r, err := strconv.ParseUint(revision, 10, 64)
	if err != nil {
		return position{}, false
	}
	if part == "" {
		return position{r, 1}, true
	}
	i, _, _ := strings.Cut(part, "/")
	n, err := strconv.ParseUint(i, 10, 32)
	return position{r, uint32(n)}, err == nil
}

func headerValue(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
