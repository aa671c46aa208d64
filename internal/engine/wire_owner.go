package engine

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// RegisterOwner asks for an owner that lives as long as its lease is renewed,
// or, with TTL 0, until it is ended. Verb "owner.register"; answers OwnerAnswer.
//
// Errors: CodeUsage for an id or a TTL that cannot be: ids that begin with "_"
// and "job_<digits>" are reserved; CodeExists, with the token as the revision.
type RegisterOwner struct {
	ID   string
	TTL  int64 // milliseconds, MinTTL to MaxTTL; 0: no lease
	Info string
}

// OwnerAnswer is the token of a registration.
type OwnerAnswer struct{ Token uint64 }

// RenewOwner gives a lease its full time again. Verb "owner.renew", a read;
// answers OwnerAnswer.
//
// Errors: CodeNoOwner when it has ended, CodeFenced when the id has been
// registered again.
type RenewOwner struct {
	ID    string
	Token uint64
}

// EndOwner ends a registration: everything it owns goes, reason
// bus.ReasonOwnerGone. Token 0 ends whoever is registered. Verb "owner.end".
//
// Errors: CodeNoOwner.
type EndOwner struct {
	ID    string
	Token uint64
}

// ListOwners asks for the registered owners whose ids come after one. Verb
// "owner.list"; answers OwnersAnswer.
type ListOwners struct{ After string }

// OwnersAnswer is a page of owners, by id.
type OwnersAnswer struct {
	Owners []OwnerInfo
	More   bool // the rest did not fit
}

// ShowOwner asks for one owner, a job too. Verb "owner.show"; answers OwnerInfo.
//
// Errors: CodeNoOwner.
type ShowOwner struct{ ID string }

// OwnerInfo describes an owner.
type OwnerInfo struct {
	ID     string
	Token  uint64
	TTL    int64 // milliseconds; 0: no lease
	Left   int64 // of the lease, milliseconds
	Info   string
	Ending bool // no longer an owner: what it owned is being deleted
	Keys   int  // that it owns
}

// EncodeMsgpack and DecodeMsgpack of the wire types: arrays in the order of
// the fields, to which fields are added at the end.

// EncodeMsgpack writes the request.
func (r RegisterOwner) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.ID, r.TTL, r.Info)
}

// DecodeMsgpack reads the request.
func (r *RegisterOwner) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.ID, &r.TTL, &r.Info)
}

// EncodeMsgpack writes the answer.
func (a OwnerAnswer) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, a.Token) }

// DecodeMsgpack reads the answer.
func (a *OwnerAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &a.Token)
}

// EncodeMsgpack writes the request.
func (r RenewOwner) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.ID, r.Token)
}

// DecodeMsgpack reads the request.
func (r *RenewOwner) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.ID, &r.Token)
}

// EncodeMsgpack writes the request.
func (r EndOwner) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.ID, r.Token) }

// DecodeMsgpack reads the request.
func (r *EndOwner) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.ID, &r.Token)
}

// EncodeMsgpack writes the request.
func (r ListOwners) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.After) }

// DecodeMsgpack reads the request.
func (r *ListOwners) DecodeMsgpack(d *msgpack.Decoder) error { return bus.DecodeFields(d, 0, &r.After) }

// EncodeMsgpack writes the answer.
func (a OwnersAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Owners, a.More)
}

// DecodeMsgpack reads the answer.
func (a *OwnersAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Owners, &a.More)
}

// EncodeMsgpack writes the request.
func (r ShowOwner) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.ID) }

// DecodeMsgpack reads the request.
func (r *ShowOwner) DecodeMsgpack(d *msgpack.Decoder) error { return bus.DecodeFields(d, 1, &r.ID) }

// EncodeMsgpack writes the description.
func (o OwnerInfo) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, o.ID, o.Token, o.TTL, o.Left, o.Info, o.Ending, o.Keys)
}

// DecodeMsgpack reads the description.
func (o *OwnerInfo) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 7, &o.ID, &o.Token, &o.TTL, &o.Left, &o.Info, &o.Ending, &o.Keys)
}
