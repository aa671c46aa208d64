package atomic

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of what has a line to wait in.
const (
	verbAcquire  = "lock.acquire"  // acquireRequest, acquireAnswer
	verbAwait    = "lock.await"    // awaitRequest, acquireAnswer; a read
	verbWithdraw = "lock.withdraw" // place, acquireAnswer
	verbRelease  = "lock.release"  // place, acquireAnswer
	verbProclaim = "lock.proclaim" // proclaimRequest
	verbLeader   = "lock.leader"   // leaderRequest, leaderAnswer; a read
)

// acquireRequest asks for what a place in line leads to. Size is the maximum of
// a semaphore, the number of a barrier. With Try it is now or not at all.
type acquireRequest struct {
	place
	Size  int
	Try   bool
	Value []byte // what a leader proclaims
}

// acquireAnswer tells how it stands: granted at revision Fence, or waiting
// under a ticket; neither with Try when it was not to be had.
type acquireAnswer struct {
	Ticket, Fence uint64
	Last          bool // of a barrier: this one opened it
}

// awaitRequest is held until the place leads somewhere. Leaving waits for the
// others of a double barrier to leave.
type awaitRequest struct {
	place
	Leaving bool
}

type proclaimRequest struct {
	place
	Value []byte
}

type leaderRequest struct{ Name string }

type leaderAnswer struct {
	Owner           string
	Fence, Revision uint64 // Revision: as of which it was read
	Value           []byte
}

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (p *place) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, string(p.Line), p.Name, p.Owner, p.Token, p.Call, p.Ticket, p.Shared)
}

func (p *place) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 6, (*string)(&p.Line), &p.Name, &p.Owner, &p.Token, &p.Call, &p.Ticket, &p.Shared)
}

func (r *acquireRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, &r.place, r.Size, r.Try, r.Value)
}

func (r *acquireRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.place, &r.Size, &r.Try, &r.Value)
}

func (a *acquireAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Ticket, a.Fence, a.Last)
}

func (a *acquireAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Ticket, &a.Fence, &a.Last)
}

func (r *awaitRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, &r.place, r.Leaving)
}

func (r *awaitRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.place, &r.Leaving)
}

func (r *proclaimRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, &r.place, r.Value)
}

func (r *proclaimRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.place, &r.Value)
}

func (r *leaderRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.Name) }

func (r *leaderRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.Name)
}

func (a *leaderAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Owner, a.Fence, a.Revision, a.Value)
}

func (a *leaderAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 4, &a.Owner, &a.Fence, &a.Revision, &a.Value)
}
