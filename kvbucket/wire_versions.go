package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

const verbVersions = "kv.versions" // versionsRequest, versionsAnswer

// maxVersions bounds the versions of one versionsRequest.
const maxVersions = 4096

// versionsRequest asks for the version of Keys[i] that was made at
// Revisions[i], for each i.
type versionsRequest struct {
	Bucket    string
	Keys      []string
	Revisions []uint64
	KeysOnly  bool
}

// versionsAnswer has those that are kept, in the order asked for, as many as fit.
type versionsAnswer struct {
	Done    int // how many were looked for, at least one
	Changes []*bus.Change
}

func (r *versionsRequest) check() error {
	switch {
	case len(r.Keys) != len(r.Revisions):
		return bus.NewError(bus.CodeMalformed, "%d keys with %d revisions", len(r.Keys), len(r.Revisions))
	case len(r.Keys) > maxVersions:
		return bus.NewError(bus.CodeTooLarge, "%d versions in one request: at most %d are allowed", len(r.Keys), maxVersions)
	}
	return checkBucket(r.Bucket)
}

// check tells whether the answer is one to the request.
func (a *versionsAnswer) check(r *versionsRequest) error {
	malformed := bus.NewError(bus.CodeMalformed, "an answer of %d versions that is none to what was asked for", len(a.Changes))
	if a.Done < 1 || a.Done > len(r.Keys) {
		return malformed
	}
	i := 0
	for _, c := range a.Changes {
		for i < a.Done && (c == nil || r.Keys[i] != c.Key) {
			i++
		}
		if i == a.Done {
			return malformed
		}
		i++
	}
	return nil
}

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *versionsRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Keys, r.Revisions, r.KeysOnly)
}

func (r *versionsRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Bucket, &r.Keys, &r.Revisions, &r.KeysOnly)
}

func (a *versionsAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Done, a.Changes)
}

func (a *versionsAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Done, &a.Changes)
}
