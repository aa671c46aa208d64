package atomic

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Beginnings of keys of waitBucket that are no places in a line.
const (
	leavePrefix = "leave" // who has left a double barrier, and waits
	voidPrefix  = "void." // what was withdrawn before it came
)

// waiter is a place in line, with what its grant needs.
type waiter struct {
	place
	Size  int
	Value []byte
}

// The value of a place in waitBucket has what its key and owner do not say.

func (w *waiter) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, w.Call, w.Shared, w.Size, w.Value)
}

func (w *waiter) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 4, &w.Call, &w.Shared, &w.Size, &w.Value)
}

// readWaiter reads the place in c.
func (q *queue) readWaiter(c *bus.Change) *waiter {
	w := &waiter{}
	_ = bus.Unmarshal(c.Value, w) // one that cannot be read is like any other
	w.Line, w.Name, w.Owner, w.Token, w.Ticket = q.line, q.name, c.Owner, c.Token, ticketOf(c.Key)
	return w
}

func (p *place) owner() engine.Owner { return engine.Owner{ID: p.Owner, Token: p.Token} }

// void is the mark that the request of a place was withdrawn before it came.
func (p *place) void() string { return fmt.Sprintf("%s%d.%d", voidPrefix, p.Token, p.Call) }

// leaveKey is where somebody waits who has left a double barrier.
func (p *place) leaveKey() string {
	return fmt.Sprintf("%s%020d", linePrefix(leavePrefix, p.Name), p.Ticket)
}

// grantValue is the value of a grant: for people, and to tell those of a
// session apart.
type grantValue struct {
	Owner string `json:"owner"`
	Call  uint64 `json:"call"`
}

// holds tells whether c is the grant of the place.
func (p *place) holds(c *bus.Change) bool {
	var g grantValue
	return c != nil && c.Owner == p.Owner && c.Token == p.Token && json.Unmarshal(c.Value, &g) == nil && g.Call == p.Call
}

// tally is what a line says of those who hold or gather, at tallyKey. There is
// none where both are 0.
type tally struct {
	Size    int `json:"size,omitempty"`    // of the semaphore or barrier
	Held    int `json:"held"`              // readers, slots taken, those inside
	Arrived int `json:"arrived,omitempty"` // at a barrier
}

func (q *queue) tallyKey() string {
	if q.line == lineLock {
		return "readers." + q.name
	}
	return string(q.line) + "." + q.name
}

// lineOf finds the line that a key of a session belongs to.
func lineOf(c *bus.Change) (l line, name string, ok bool) {
	if c.Bucket != LockBucket {
		return parseLine(c.Key)
	}
	kind, name, _ := strings.Cut(c.Key, ".")
	if kind == "leader" {
		kind = string(lineElection)
	}
	return line(kind), name, true
}

// parseLine reads what linePrefix wrote, and what stands behind it. Keys of
// those who leave and of marks belong to no line.
func parseLine(key string) (l line, name string, ok bool) {
	kind, rest, _ := strings.Cut(key, ".")
	length, rest, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(length)
	if kind == leavePrefix || err != nil || n < 1 || n > len(rest) {
		return "", "", false
	}
	return line(kind), rest[:n], true
}

// ticketOf reads the end of a place's key.
func ticketOf(key string) uint64 {
	n, _ := strconv.ParseUint(key[strings.LastIndexByte(key, ':')+1:], 10, 64)
	return n
}
