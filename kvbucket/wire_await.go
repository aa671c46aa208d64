package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

const verbAwait = "kv.await" // awaitRequest, awaitAnswer

// awaitRequest is held until one of the keys, or All of them, exist.
type awaitRequest struct {
	Bucket string
	Keys   []string
	All    bool
	After  *uint64 // a key put since counts, deleted again or not; nil: from now on
	Owner  *string // the wait ends in error with this owner; nil: it depends on nobody
	Token  uint64  // of the owner; 0: whoever it is
}

// awaitAnswer has the keys: one, or all in the order asked for, as many as
// fit; or none: not yet.
type awaitAnswer struct {
	page
	Token uint64 // of the owner
}

func (r *awaitRequest) check() error {
	if err := checkBucket(r.Bucket); err != nil {
		return err
	}
	switch n := len(r.Keys); {
	case n == 0:
		return bus.NewError(bus.CodeUsage, "a wait for no key")
	case n > MaxOperations:
		return bus.NewError(bus.CodeTooLarge, "a wait for %d keys: at most %d are allowed", n, MaxOperations).WithHint("split it, or watch")
	}
	for _, key := range r.Keys {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	if r.Owner == nil {
		return nil
	}
	return checkOwnerID(*r.Owner)
}

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *awaitRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Keys, r.All, r.After, r.Owner, r.Token)
}

func (r *awaitRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Bucket, &r.Keys, &r.All, &r.After, &r.Owner, &r.Token)
}

func (a *awaitAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, &a.Page, a.Token)
}

func (a *awaitAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Page, &a.Token)
}
