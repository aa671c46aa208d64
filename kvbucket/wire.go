package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of this layer.
const (
	verbGet      = "kv.get"      // getRequest, page of one
	verbRange    = "kv.range"    // rangeRequest, page
	verbKeys     = "kv.keys"     // rangeRequest, keysPage
	verbCount    = "kv.count"    // rangeRequest, countAnswer
	verbHistory  = "kv.history"  // historyRequest, page
	verbPut      = "kv.put"      // putRequest, writeAnswer
	verbPutAll   = "kv.putall"   // putAllRequest, writeAnswer
	verbDelete   = "kv.delete"   // deleteRequest, writeAnswer
	verbReplay   = "kv.replay"   // replayRequest, bus.Page
	verbRevision = "kv.revision" // revisionRequest, writeAnswer
)

// Requests and answers are msgpack arrays of the fields in their order. Fields
// are only ever added at the end; a reader skips those it does not know.

// getRequest asks for one key.
type getRequest struct {
	Bucket, Key  string
	At           *uint64 // nil: now
	Serializable bool
	Bare         bool // without the value
}

// rangeRequest asks for the keys of a range, in order, as many as fit.
type rangeRequest struct {
	Bucket, From string
	To           *string // nil: unbounded
	At           *uint64 // nil: now
	Serializable bool
	Bare         bool   // without values
	Limit        uint64 // keys; 0: all
}

// historyRequest asks for the kept changes of a key above a revision, oldest
// first, as many as fit.
type historyRequest struct {
	Bucket, Key string
	After       uint64
}

// putRequest sets a key.
type putRequest struct {
	Bucket, Key string
	Value       []byte
	If          *uint64 // revision the key must be at; 0: it must not exist; nil: any
	Create      bool    // it must not exist
	Owner       *wireOwner
	Keep        bool // the value it has; Value is not looked at
}

// putAllRequest sets Keys[i] to Values[i].
type putAllRequest struct {
	Bucket string
	Keys   []string
	Values [][]byte
	Owner  *wireOwner
}

// deleteRequest removes a key.
type deleteRequest struct {
	Bucket, Key string
	If          *uint64 // as in putRequest
}

// replayRequest asks for the changes of keys from a revision on.
type replayRequest struct {
	Bucket   string
	From     uint64
	Start    bool // what is gone is no error
	First    bool // a reader begins: exactly what the history of each key holds
	Keys     []string
	Ranges   []wireRange // neither keys nor ranges: the whole bucket
	Kinds    kinds
	KeysOnly bool
	Begun    uint64 // with Start, the revision of the first page; 0: this is it
}

// revisionRequest asks for the revision, held until it is at least AtLeast.
type revisionRequest struct{ AtLeast uint64 }

// page is the answer to a read: versions of keys, in the order asked for, as of
// Revision. It travels as a bus.Page, which is read without reflection; its
// Next is not 0 where the rest did not fit.
type page struct {
	bus.Page
	bytes int // of Changes
}

// pageAt is an empty page of a revision.
func pageAt(revision uint64) *page { return &page{Page: bus.Page{Revision: revision}} }

// writeAnswer is the answer to a write.
type writeAnswer struct {
	Revision uint64 // of the write; of the namespace if nothing changed
	Changed  bool
}

// wireRange is a Range as it travels.
type wireRange Range

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *getRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Key, r.At, r.Serializable, r.Bare)
}

func (r *getRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Bucket, &r.Key, &r.At, &r.Serializable, &r.Bare)
}

func (r *rangeRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.From, r.To, r.At, r.Serializable, r.Bare, r.Limit)
}

func (r *rangeRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Bucket, &r.From, &r.To, &r.At, &r.Serializable, &r.Bare, &r.Limit)
}

func (r *historyRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Key, r.After)
}

func (r *historyRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Bucket, &r.Key, &r.After)
}

// EncodeMsgpack leaves out what most puts do not say.
func (r *putRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	fields := [...]any{r.Bucket, r.Key, r.Value, r.If, r.Create, r.Owner, r.Keep}
	n := len(fields)
	switch {
	case r.Keep:
	case r.Owner != nil:
		n = 6
	case r.If != nil || r.Create:
		n = 5
	default:
		n = 3
	}
	return bus.EncodeFields(e, fields[:n]...)
}

func (r *putRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Bucket, &r.Key, &r.Value, &r.If, &r.Create, &r.Owner, &r.Keep)
}

func (r *putAllRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Keys, r.Values, r.Owner)
}

func (r *putAllRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Bucket, &r.Keys, &r.Values, &r.Owner)
}

func (r *deleteRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Key, r.If)
}

func (r *deleteRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Bucket, &r.Key, &r.If)
}

func (r *replayRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.From, r.Start, r.First, r.Keys, r.Ranges, uint8(r.Kinds), r.KeysOnly, r.Begun)
}

func (r *replayRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Bucket, &r.From, &r.Start, &r.First, &r.Keys, &r.Ranges, (*uint8)(&r.Kinds), &r.KeysOnly, &r.Begun)
}

func (r *revisionRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.AtLeast)
}

func (r *revisionRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.AtLeast)
}

func (a *writeAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Revision, a.Changed)
}

func (a *writeAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &a.Revision, &a.Changed)
}

func (r *wireRange) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.From, r.To) }

func (r *wireRange) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.From, &r.To)
}
