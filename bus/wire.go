package bus

import "github.com/vmihailenco/msgpack/v5"

// Request is the envelope of every request.
type Request struct {
	ID    []byte             // 16 bytes, the same on each retry; empty: no retry needs to be told
	Base  uint64             // revision the client knew when it first sent the request
	Clock uint64             // Lamport clock of the client
	Wait  int64              // milliseconds that the host may hold the request
	Body  msgpack.RawMessage // argument of the verb, one msgpack value; empty: none
}

const requestFields = 5

// EncodeMsgpack writes the request as an array in the order of the fields.
func (r *Request) EncodeMsgpack(e *msgpack.Encoder) error {
	return encodeAll(e.EncodeArrayLen(requestFields), e.EncodeBytes(r.ID), e.EncodeUint(r.Base),
		e.EncodeUint(r.Clock), e.EncodeInt(r.Wait), encodeRaw(e, r.Body))
}

// DecodeMsgpack reads what EncodeMsgpack wrote, and longer arrays.
func (r *Request) DecodeMsgpack(d *msgpack.Decoder) error {
	return DecodeFields(d, requestFields, &r.ID, &r.Base, &r.Clock, &r.Wait, &r.Body)
}

// Response is the envelope of every answer.
type Response struct {
	Revision    uint64             // of the write, or at which was read
	Clock       uint64             // Lamport clock of the host
	Incarnation uint64             // of the store
	Epoch       uint64             // of the engine
	Error       *Error             // nil: done
	Retry       int64              // with CodeOverloaded: milliseconds after which to ask again; 0: do not. With CodeNotActive: 0 if it was surely not done
	Body        msgpack.RawMessage // result of the verb; empty: none
}

const responseFields = 7

// EncodeMsgpack writes the response as an array in the order of the fields.
func (r *Response) EncodeMsgpack(e *msgpack.Encoder) error {
	err := encodeAll(e.EncodeArrayLen(responseFields), e.EncodeUint(r.Revision), e.EncodeUint(r.Clock),
		e.EncodeUint(r.Incarnation), e.EncodeUint(r.Epoch))
	if err != nil {
		return err
	}
	if r.Error == nil {
		err = e.EncodeNil()
	} else {
		err = r.Error.EncodeMsgpack(e)
	}
	return encodeAll(err, e.EncodeInt(r.Retry), encodeRaw(e, r.Body))
}

// DecodeMsgpack reads what EncodeMsgpack wrote, and longer arrays.
func (r *Response) DecodeMsgpack(d *msgpack.Decoder) error {
	return DecodeFields(d, responseFields, &r.Revision, &r.Clock, &r.Incarnation, &r.Epoch, &r.Error, &r.Retry, &r.Body)
}

// EncodeMsgpack writes the error as an array in the order of the fields.
func (e *Error) EncodeMsgpack(enc *msgpack.Encoder) error {
	return encodeAll(enc.EncodeArrayLen(4), enc.EncodeString(string(e.Code)), enc.EncodeString(e.Message),
		enc.EncodeString(e.Hint), enc.EncodeUint(e.Revision))
}

// DecodeMsgpack reads what EncodeMsgpack wrote, and longer arrays.
func (e *Error) DecodeMsgpack(d *msgpack.Decoder) error {
	var code string
	err := DecodeFields(d, 4, &code, &e.Message, &e.Hint, &e.Revision)
	e.Code = Code(code)
	return err
}

// EncodeMsgpack writes the feed as an array in the order of the fields.
func (f *Feed) EncodeMsgpack(e *msgpack.Encoder) error {
	err := encodeAll(e.EncodeArrayLen(4), e.EncodeUint(f.Incarnation), e.EncodeUint(f.Epoch), e.EncodeUint(f.Previous))
	return encodeChanges(e, err, f.Changes)
}

// DecodeMsgpack reads what EncodeMsgpack wrote, and longer arrays.
func (f *Feed) DecodeMsgpack(d *msgpack.Decoder) error {
	return DecodeFields(d, 4, &f.Incarnation, &f.Epoch, &f.Previous, (*changes)(&f.Changes))
}

// EncodeMsgpack writes the page as an array in the order of the fields.
func (p *Page) EncodeMsgpack(e *msgpack.Encoder) error {
	err := encodeAll(e.EncodeArrayLen(5), e.EncodeUint(p.Incarnation), e.EncodeUint(p.Epoch), e.EncodeUint(p.Revision),
		e.EncodeUint(p.Next))
	return encodeChanges(e, err, p.Changes)
}

// DecodeMsgpack reads what EncodeMsgpack wrote, and longer arrays.
func (p *Page) DecodeMsgpack(d *msgpack.Decoder) error {
	return DecodeFields(d, 5, &p.Incarnation, &p.Epoch, &p.Revision, &p.Next, (*changes)(&p.Changes))
}
