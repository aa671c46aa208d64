package bus

import (
	"github.com/vmihailenco/msgpack/v5"
)

// Op is what a change did to its key.
type Op uint8

// The operations of a change.
const (
	OpPut    Op = 1 // the key has the value of the change
	OpDelete Op = 2 // the key is gone; Reason says why
)

// String returns the name used in JSON: "put" or "delete".
func (o Op) String() string {
	if o == OpDelete {
		return "delete"
	}
	return "put"
}

// Reasons of a delete, as they stand in the header Lwj-Reason.
const (
	ReasonDeleted      = "deleted"
	ReasonOwnerGone    = "owner-gone"
	ReasonLeaseExpired = "lease-expired"
	ReasonCollected    = "collected"
)

// Change is one version of one key: what the state holds, what an event
// carries, what a checkpoint stores and what a KV message shows. It is never
// modified once it is committed, so it is shared without copies.
type Change struct {
	Bucket, Key string
	Value       []byte // nil for a delete
	Op          Op
	Part, Parts uint32 // this is change Part (1..Parts) of its transaction
	Revision    uint64 // transaction that made it
	Previous    uint64 // revision of the key's change before it; 0: none
	Created     uint64 // revision that created the key
	Version     uint64 // 1 at creation, +1 each write; 0 for a delete
	Clock       uint64 // Lamport clock of the writer
	Time        int64  // wall time, nanoseconds since 1970; for people
	Owner       string // owner's id; empty: none
	Token       uint64 // the owner's fencing token; 0: none
	Reason      string // of a delete
}

// changeFields is the length of the array that EncodeMsgpack writes; a reader
// accepts longer arrays, so that fields can be added at the end.
const changeFields = 15

// EncodeMsgpack writes the change as an array in the order of the fields.
func (c *Change) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(changeFields); err != nil {
		return err
	}
	for _, s := range [...]string{c.Bucket, c.Key} {
		if err := e.EncodeString(s); err != nil {
			return err
		}
	}
	if err := e.EncodeBytes(c.Value); err != nil {
		return err
	}
	for _, n := range [...]uint64{uint64(c.Op), uint64(c.Part), uint64(c.Parts), c.Revision, c.Previous,
		c.Created, c.Version, c.Clock} {
		if err := e.EncodeUint(n); err != nil {
			return err
		}
	}
	if err := e.EncodeInt(c.Time); err != nil {
		return err
	}
	if err := e.EncodeString(c.Owner); err != nil {
		return err
	}
	if err := e.EncodeUint(c.Token); err != nil {
		return err
	}
	return e.EncodeString(c.Reason)
}

// DecodeMsgpack reads what EncodeMsgpack wrote.
func (c *Change) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n < changeFields {
		return NewError(CodeMalformed, "a change has %d fields, not %d", n, changeFields)
	}
	if err := c.decodeFields(d); err != nil {
		return err
	}
	for i := changeFields; i < n; i++ {
		if err := d.Skip(); err != nil {
			return err
		}
	}
	return nil
}

// decodeFields reads the fields in their order. The first error stays; what
// follows it fails, too, or does not matter.
func (c *Change) decodeFields(d *msgpack.Decoder) (err error) {
	text := func(to *string) {
		if err == nil {
			*to, err = d.DecodeString()
		}
	}
	number := func() (n uint64) {
		if err == nil {
			n, err = d.DecodeUint64()
		}
		return n
	}
	text(&c.Bucket)
	text(&c.Key)
	if err == nil {
		c.Value, err = d.DecodeBytes()
	}
	c.Op, c.Part, c.Parts = Op(number()), uint32(number()), uint32(number())
	c.Revision, c.Previous, c.Created, c.Version, c.Clock = number(), number(), number(), number(), number()
	if err == nil {
		c.Time, err = d.DecodeInt64()
	}
	text(&c.Owner)
	c.Token = number()
	text(&c.Reason)
	return err
}

// Feed is one message of a bucket's feed: all changes that one round of the
// engine made to the bucket, in commit order, transactions whole.
type Feed struct {
	_msgpack    struct{} `msgpack:",as_array"`
	Incarnation uint64
	Epoch       uint64
	Previous    uint64 // revision of the last change in the feed message before this one
	Changes     []*Change
}

// Page is one answer of a replay: changes in commit order.
type Page struct {
	_msgpack    struct{} `msgpack:",as_array"`
	Incarnation uint64
	Epoch       uint64
	Revision    uint64    // the namespace's revision this page was read at
	Next        uint64    // ask again from this revision; 0: the reader has caught up with Revision
	Changes     []*Change // every matching change from the asked revision to Next-1, or to Revision when Next is 0
}
