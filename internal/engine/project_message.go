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

// kvMessage builds the messages of the loop in one header, which is filled
// anew for each: the header map is a third of the cost of a message that is
// made from nothing. The library copies it when it publishes.
type kvMessage struct {
	msg    nats.Msg
	values map[string][]string // one place for the value of each header
}

// init sets what all messages of a projector have.
func (k *kvMessage) init(cfg *ProjectorConfig) {
	k.values = map[string][]string{}
	k.msg.Header = nats.Header{}
	k.uint(bus.HeaderEpoch, cfg.Epoch)
	k.uint(bus.HeaderIncarnation, cfg.Incarnation)
}

// fill makes the message of c; nil is a delete of which nothing is known.
func (k *kvMessage) fill(subject, reply string, c *bus.Change, after uint64) *nats.Msg {
	k.msg.Subject, k.msg.Reply, k.msg.Data = subject, reply, nil
	if c == nil {
		c = &bus.Change{Op: bus.OpDelete}
	}
	known := c.Revision != 0
	k.text(bus.HeaderRevision, formatSome(c.Revision))
	k.text(bus.HeaderPrevious, formatIf(known, c.Previous))
	k.text(bus.HeaderVersion, formatIf(known, c.Version))
	k.text(bus.HeaderCreated, formatSome(c.Created))
	k.text(bus.HeaderClock, formatSome(c.Clock))
	k.text(bus.HeaderTime, formatSome(uint64(c.Time)))
	k.text(bus.HeaderToken, formatSome(c.Token))
	k.text(bus.HeaderOwner, bus.EscapeHeader(c.Owner))
	k.text(bus.HeaderReason, c.Reason)
	k.text(bus.HeaderPart, formatPart(c))
	k.text(headerKVOperation, "")
	k.text(headerRepair, "")
	if c.Op == bus.OpDelete {
		k.text(headerKVOperation, kvDelete)
	} else {
		k.msg.Data = c.Value
	}
	k.uint(nats.ExpectedLastSeqHdr, after)
	return &k.msg
}

func (k *kvMessage) uint(name string, n uint64) { k.text(name, strconv.FormatUint(n, 10)) }

// text sets a header, or leaves it out when it is empty.
func (k *kvMessage) text(name, value string) {
	v, made := k.values[name]
	if value == "" {
		if made {
			delete(k.msg.Header, name)
		}
		return
	}
	if !made {
		v = make([]string, 1)
		k.values[name] = v
	}
	v[0] = value
	k.msg.Header[name] = v
}

func formatSome(n uint64) string { return formatIf(n != 0, n) }

func formatIf(there bool, n uint64) string {
	if !there {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func formatPart(c *bus.Change) string {
	if c.Parts <= 1 {
		return ""
	}
	return strconv.FormatUint(uint64(c.Part), 10) + "/" + strconv.FormatUint(uint64(c.Parts), 10)
}
