package bus

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"
)

// ordinary are the messages that open is for.
func ordinary() []any {
	id, body := bytes.Repeat([]byte{7}, 16), msgpack.RawMessage{0x92, 1, 2}
	return []any{
		&Request{}, &Request{ID: id, Base: 127, Clock: 128, Wait: 10_000, Body: body},
		&Request{ID: []byte{}, Base: math.MaxUint64, Clock: 1 << 32, Wait: math.MaxInt64, Body: msgpack.RawMessage{0xa0}},
		&Response{}, &Response{Revision: 1, Clock: 65536, Incarnation: 256, Epoch: 3, Retry: 50, Body: body},
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, want := range ordinary() {
		b, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if !got.(envelope).open(b) {
			t.Errorf("%x: want it opened", b)
		}
		clear(b) // nothing is kept of the bytes
		if diff := cmp.Diff(want, got, unexported); diff != "" {
			t.Errorf("want - got +\n%s", diff)
		}
	}
}

// TestOpenLeaves: what open does not read it does not touch.
func TestOpenLeaves(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"negative wait": &Request{Wait: -2}, "refusal": &Response{Error: NewError(CodeExists, "no")}, "another": &Feed{},
	} {
		b, err := Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		req, res := Request{Base: 5}, Response{Epoch: 5}
		if req.open(b) || res.open(b) {
			t.Errorf("%s: want it left to the decoder", name)
		}
		if req.Base != 5 || res.Epoch != 5 {
			t.Errorf("%s: want the values untouched, got %+v and %+v", name, req, res)
		}
	}
}

// FuzzOpen holds open to the decoder: of any checked bytes both make the same.
func FuzzOpen(f *testing.F) {
	for _, v := range ordinary() {
		b, err := Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append([]byte{b[0] + 1}, append(b[1:], 0xc0)...)) // of a newer peer
		f.Add(append([]byte{b[0] - 1}, b[1:len(b)-1]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if check(b) != "" {
			return
		}
		for _, pair := range [][2]envelope{{new(Request), new(Request)}, {new(Response), new(Response)}} {
			got, want := pair[0], pair[1]
			if !got.open(b) {
				continue
			}
			if err := decode(b, want); err != nil {
				t.Fatalf("%x: open reads what the decoder refuses: %v", b, err)
			}
			if diff := cmp.Diff(want, got, unexported); diff != "" {
				t.Fatalf("%x: want - got +\n%s", b, diff)
			}
		}
	})
}
