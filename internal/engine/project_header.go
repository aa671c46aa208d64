package engine

import (
	"maps"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// The headers of a projected message that differ from one to the next.
const (
	inRevision = iota
	inPrevious
	inVersion
	inCreated
	inClock
	inTime
	inToken
	inOwner
	inReason
	inPart
	inOperation
	inRepair
	inExpected
	kvPlaces
)

// kvHeaderNames returns what they are called.
func kvHeaderNames() [kvPlaces]string {
	return [kvPlaces]string{
		inRevision: bus.HeaderRevision, inPrevious: bus.HeaderPrevious, inVersion: bus.HeaderVersion, inCreated: bus.HeaderCreated,
		inClock: bus.HeaderClock, inTime: bus.HeaderTime, inToken: bus.HeaderToken, inOwner: bus.HeaderOwner, inReason: bus.HeaderReason,
		inPart: bus.HeaderPart, inOperation: headerKVOperation, inRepair: headerRepair, inExpected: nats.ExpectedLastSeqHdr,
	}
}

// kvMessage builds the messages of the loop: making the header of each from
// nothing is a third of the cost of a message. Here every value has its place,
// and each set of headers, of which there are few, a map over the places. The
// library copies them when it publishes.
type kvMessage struct {
	msg    nats.Msg
	same   nats.Header // what all messages have
	places [kvPlaces][]string
	maps   map[uint16]nats.Header // by the places in them, one bit each
	there  uint16                 // places of the message that is being built
	digits []byte                 // its numbers, which become one string
	cuts   []cut                  // where in it they end
}

// cut is the end of a place's value.
type cut struct{ place, end int }

// init sets what all messages of a projector have.
func (k *kvMessage) init(cfg *ProjectorConfig) {
	k.maps = map[uint16]nats.Header{}
	k.same = nats.Header{
		bus.HeaderEpoch:       {strconv.FormatUint(cfg.Epoch, 10)},
		bus.HeaderIncarnation: {strconv.FormatUint(cfg.Incarnation, 10)},
	}
	for i := range k.places {
		k.places[i] = make([]string, 1)
	}
}

// fill makes the message of c; nil is a delete of which nothing is known.
// repair is not zero for a message that puts a key right. What it returns is
// good until the next call.
func (k *kvMessage) fill(subject, reply string, c *bus.Change, after uint64, repair position) *nats.Msg {
	if c == nil {
		c = &bus.Change{Op: bus.OpDelete}
	}
	k.there = 0
	k.numbers(c, after)
	k.text(inOwner, bus.EscapeHeader(c.Owner))
	k.text(inReason, c.Reason)
	k.msg.Data = c.Value
	if c.Op == bus.OpDelete {
		k.msg.Data = nil
		k.text(inOperation, kvDelete)
	}
	if repair != (position{}) {
		k.text(inRepair, repair.String())
	}
	k.msg.Subject, k.msg.Reply, k.msg.Header = subject, reply, k.header()
	return &k.msg
}

func (k *kvMessage) numbers(c *bus.Change, after uint64) {
	k.digits, k.cuts = k.digits[:0], k.cuts[:0]
	known := c.Revision != 0
	k.number(inRevision, c.Revision, known)
	k.number(inPrevious, c.Previous, known)
	k.number(inVersion, c.Version, known)
	k.number(inCreated, c.Created, c.Created != 0)
	k.number(inClock, c.Clock, c.Clock != 0)
	k.number(inTime, uint64(c.Time), c.Time != 0)
	k.number(inToken, c.Token, c.Token != 0)
	if c.Parts > 1 {
		k.digits = append(strconv.AppendUint(k.digits, uint64(c.Part), 10), '/')
		k.number(inPart, uint64(c.Parts), true)
	}
	k.number(inExpected, after, true)
	all, from := string(k.digits), 0
	for _, c := range k.cuts {
		k.text(c.place, all[from:c.end])
		from = c.end
	}
}

func (k *kvMessage) number(place int, n uint64, there bool) {
	if there {
		k.digits = strconv.AppendUint(k.digits, n, 10)
		k.cuts = append(k.cuts, cut{place, len(k.digits)})
	}
}

// text puts a value into its place, unless it is empty.
func (k *kvMessage) text(place int, value string) {
	if value != "" {
		k.places[place][0] = value
		k.there |= 1 << place
	}
}

// header is the map over the places of the message.
func (k *kvMessage) header() nats.Header {
	if h := k.maps[k.there]; h != nil {
		return h
	}
	h := maps.Clone(k.same)
	for place, name := range kvHeaderNames() {
		if k.there&(1<<place) != 0 {
			h[name] = k.places[place]
		}
	}
	k.maps[k.there] = h
	return h
}
