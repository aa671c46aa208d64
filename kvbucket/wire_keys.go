package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// keysPage is the keys of a range, in order, as many as fit.
type keysPage struct {
	Revision uint64 // that was read
	More     bool   // the rest did not fit
	Keys     []string
}

// countAnswer is how many keys a range has.
type countAnswer struct {
	Revision uint64 // that was read
	Count    uint64
}

func (p *keysPage) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, p.Revision, p.More, p.Keys)
}

func (p *keysPage) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &p.Revision, &p.More, &p.Keys)
}

func (a *countAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Revision, a.Count)
}

func (a *countAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Revision, &a.Count)
}
