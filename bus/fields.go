package bus

import "github.com/vmihailenco/msgpack/v5"

// EncodeFields writes an array of the fields, for the EncodeMsgpack of a wire
// type. Fields are only ever added at the end.
func EncodeFields(e *msgpack.Encoder, fields ...any) error {
	if err := e.EncodeArrayLen(len(fields)); err != nil {
		return err
	}
	return e.EncodeMulti(fields...)
}

// DecodeFields reads an array into the fields, which are pointers. The array
// must have the first least fields; other fields that it lacks keep their
// value, and elements behind the last field are skipped: so both an older and
// a newer peer can be read. The tag as_array does neither: it refuses every
// other length.
func DecodeFields(d *msgpack.Decoder, least int, fields ...any) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n < least {
		return NewError(CodeMalformed, "an array of %d fields, not %d", n, least)
	}
	for i := range n {
		if i < len(fields) {
			err = decodeField(d, fields[i])
		} else {
			err = d.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeField spares the reflection for what the envelopes are made of.
func decodeField(d *msgpack.Decoder, field any) error {
	switch f := field.(type) {
	case *msgpack.RawMessage:
		return decodeRaw(d, f)
	case *changes:
		return f.decode(d)
	}
	return d.Decode(field)
}

// encodeAll returns the first error of steps that were all taken: an encoder
// into memory fails only where nothing after it matters.
func encodeAll(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// encodeRaw writes a value that is encoded already; an empty one as nil.
func encodeRaw(e *msgpack.Encoder, raw msgpack.RawMessage) error {
	if len(raw) == 0 {
		return e.EncodeNil()
	}
	return raw.EncodeMsgpack(e)
}

// decodeRaw reads a value without decoding it; nil gives none.
func decodeRaw(d *msgpack.Decoder, raw *msgpack.RawMessage) error {
	v, err := d.DecodeRaw()
	if err != nil {
		return err
	}
	if len(v) == 1 && v[0] == msgpackNil {
		v = nil
	}
	*raw = v
	return nil
}

const msgpackNil = 0xc0

type changes []*Change

func encodeChanges(e *msgpack.Encoder, err error, cs []*Change) error {
	if err != nil {
		return err
	}
	if err := e.EncodeArrayLen(len(cs)); err != nil {
		return err
	}
	for _, c := range cs {
		if err := c.EncodeMsgpack(e); err != nil {
			return err
		}
	}
	return nil
}

// decode reads an array of changes, none of which is nil. Each is allocated
// by itself, so that a reader who keeps one does not keep them all.
func (cs *changes) decode(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil || n <= 0 {
		return err
	}
	list := make(changes, n)
	for i := range list {
		list[i] = new(Change)
		if err := list[i].DecodeMsgpack(d); err != nil {
			return err
		}
	}
	*cs = list
	return nil
}
