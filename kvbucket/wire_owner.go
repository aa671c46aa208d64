package kvbucket

import (
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The engine's verbs of owners. Bodies are arrays, as those of wire.go.
const (
	verbRegister = "owner.register" // registerRequest, ownerAnswer
	verbRenew    = "owner.renew"    // ownerRequest, ownerAnswer; a read
	verbEnd      = "owner.end"      // ownerRequest
	verbOwners   = "owner.list"     // ownersRequest, ownersAnswer
	verbOwner    = "owner.show"     // showOwnerRequest, OwnerInfo
)

// registerRequest registers an owner.
type registerRequest struct {
	ID   string
	TTL  int64 // milliseconds; 0: until it is ended
	Info string
}

// ownerRequest names one registration; Token 0, where it may be: the one there is.
type ownerRequest struct {
	ID    string
	Token uint64
}

// ownerAnswer is the token of a registration.
type ownerAnswer struct{ Token uint64 }

// ownersRequest asks for the owners whose ids come after one, as many as fit.
type ownersRequest struct{ After string }

// ownersAnswer is a part of all owners, by id.
type ownersAnswer struct {
	Owners []OwnerInfo
	More   bool // the rest did not fit
}

// showOwnerRequest asks for one owner.
type showOwnerRequest struct{ ID string }

func (r *registerRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.ID, r.TTL, r.Info)
}

func (r *ownerRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.ID, r.Token)
}

func (a *ownerAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &a.Token)
}

func (r *ownersRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.After) }

func (a *ownersAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Owners, &a.More)
}

func (r *showOwnerRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.ID) }

// DecodeMsgpack reads what the host answers; times travel in milliseconds.
func (o *OwnerInfo) DecodeMsgpack(d *msgpack.Decoder) error {
	var ttl, left int64
	err := bus.DecodeFields(d, 7, &o.ID, &o.Token, &ttl, &left, &o.Info, &o.Ending, &o.Keys)
	o.TTL, o.Left = time.Duration(ttl)*time.Millisecond, time.Duration(left)*time.Millisecond
	return err
}
