package bus

import (
	"bytes"

	"github.com/lwjbus/lwjbus/internal/pack"
)

// envelope is what each call encodes and decodes: open reads checked bytes in
// the form in which Marshal writes them, without reflection. After false the
// value is as it was, and the decoder decides.
type envelope interface{ open(b []byte) bool }

func (r *Request) open(b []byte) bool {
	u := pack.Read(b)
	if u.Array(1) != requestFields {
		return false
	}
	req := Request{ID: bytes.Clone(u.Bytes()), Base: u.Uint(), Clock: u.Uint(), Wait: int64(u.Uint())}
	ok := u.Len() > 0 // what follows is the last field
	if ok {
		req.Body = lastField(b, u.Len())
		*r = req
	}
	return ok
}

// open leaves refusals to the decoder.
func (r *Response) open(b []byte) bool {
	u := pack.Read(b)
	if u.Array(1) != responseFields {
		return false
	}
	res := Response{Revision: u.Uint(), Clock: u.Uint(), Incarnation: u.Uint(), Epoch: u.Uint()}
	refused := u.Bytes() != nil
	res.Retry = int64(u.Uint())
	ok := !refused && u.Len() > 0 // as above
	if ok {
		res.Body = lastField(b, u.Len())
		*r = res
	}
	return ok
}

// lastField copies the last n bytes; nil for the value nil.
func lastField(b []byte, n int) []byte {
	if n == 1 && b[len(b)-1] == msgpackNil {
		return nil
	}
	return bytes.Clone(b[len(b)-n:])
}
