package atomic

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of words.
const (
	verbWord = "atomic.do"   // wordRequest, wordAnswer
	verbLoad = "atomic.load" // wordRequest, wordAnswer; a read
)

// Requests and answers are msgpack arrays of the fields in their order. Fields
// are only ever added at the end; a reader skips those it does not know.

// wordRequest is one operation on a word.
type wordRequest struct {
	Bucket, Key string
	Op          Op
	X, Y        int64
	MustExist   bool
}

// wordAnswer is a Result.
type wordAnswer Result

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *wordRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Bucket, r.Key, uint8(r.Op), r.X, r.Y, r.MustExist)
}

func (r *wordRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Bucket, &r.Key, (*uint8)(&r.Op), &r.X, &r.Y, &r.MustExist)
}

func (a *wordAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Before, a.After, a.Met, a.Existed, a.Revision)
}

func (a *wordAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &a.Before, &a.After, &a.Met, &a.Existed, &a.Revision)
}
