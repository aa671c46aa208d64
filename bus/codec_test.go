package bus

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vmihailenco/msgpack/v5"
)

var unexported = cmpopts.IgnoreUnexported(Error{}, Feed{}, Page{})

func sampleChange(revision uint64) *Change {
	return &Change{Bucket: "kv", Key: "a b", Value: []byte("v"), Op: OpPut, Part: 1, Parts: 2, Revision: revision,
		Previous: revision - 1, Created: 3, Version: 2, Clock: 9, Time: -5, Owner: "o", Token: 4}
}

// envelopes are one of each wire type, with an empty one to decode into.
func envelopes() map[string][2]any {
	return map[string][2]any{
		"request": {&Request{ID: bytes.Repeat([]byte{7}, 16), Base: 1, Clock: math.MaxUint64, Wait: -2,
			Body: msgpack.RawMessage{0x92, 1, 2}}, new(Request)},
		"empty request": {&Request{}, new(Request)},
		"response": {&Response{Revision: 1, Clock: 2, Incarnation: 3, Epoch: 4, Retry: 5,
			Error: NewError(CodeExists, "no").WithHint("do").WithRevision(9), Body: msgpack.RawMessage{0x80}}, new(Response)},
		"empty response": {&Response{}, new(Response)},
		"error":          {NewError(CodeFenced, "m").WithRevision(2), new(Error)},
		"change":         {sampleChange(5), new(Change)},
		"feed":           {&Feed{Incarnation: 1, Epoch: 2, Previous: 3, Changes: []*Change{sampleChange(4), sampleChange(5)}}, new(Feed)},
		"empty feed":     {&Feed{Previous: 3}, new(Feed)},
		"page":           {&Page{Incarnation: 1, Epoch: 2, Revision: 8, Next: 3, Changes: []*Change{sampleChange(2)}}, new(Page)},
	}
}

func TestEnvelopesRoundTrip(t *testing.T) {
	t.Parallel()
	for name, pair := range envelopes() {
		b, err := Marshal(pair[0])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := Unmarshal(b, pair[1]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(pair[0], pair[1], unexported); diff != "" {
			t.Errorf("%s: want - got +\n%s", name, diff)
		}
	}
}

// A newer peer may have added fields at the end; a shorter array is refused.
func TestEnvelopesAcceptLongerArrays(t *testing.T) {
	t.Parallel()
	for name, pair := range envelopes() {
		b, err := Marshal(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		longer := append([]byte{b[0] + 2}, b[1:]...)
		longer = append(longer, 0x93, 1, 0xa1, 'x', 0xc0, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0)
		if b[0] == 0x9f { // 15 fields: the next length has another form
			longer = append([]byte{0xdc, 0, 17}, longer[1:]...)
		}
		if err := Unmarshal(longer, pair[1]); err != nil {
			t.Errorf("%s: longer array: %v", name, err)
		}
		if diff := cmp.Diff(pair[0], pair[1], unexported); diff != "" {
			t.Errorf("%s: want - got +\n%s", name, diff)
		}
		if err := Unmarshal([]byte{0x91, 0xc0}, pair[1]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: shorter array: want ErrMalformed, got %v", name, err)
		}
	}
}

// What DecodeFields is for: the library's tag refuses other lengths.
func TestAsArrayTagRefusesOtherLengths(t *testing.T) {
	t.Parallel()
	type tagged struct {
		_msgpack struct{} `msgpack:",as_array"`
		A, B     uint64
	}
	for _, b := range [][]byte{{0x91, 1}, {0x93, 1, 2, 3}} {
		if err := Unmarshal(b, new(tagged)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: want ErrMalformed, got %v", b, err)
		}
	}
}

type flexible struct{ A, B uint64 }

func (f *flexible) EncodeMsgpack(e *msgpack.Encoder) error { return EncodeFields(e, f.A, f.B) }
func (f *flexible) DecodeMsgpack(d *msgpack.Decoder) error { return DecodeFields(d, 1, &f.A, &f.B) }

func TestDecodeFieldsAcceptsOtherLengths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b    []byte
		want flexible
	}{{[]byte{0x91, 1}, flexible{1, 0}}, {[]byte{0x92, 1, 2}, flexible{1, 2}}, {[]byte{0x93, 1, 2, 0xc0}, flexible{1, 2}}} {
		var got flexible
		if err := Unmarshal(c.b, &got); err != nil || got != c.want {
			t.Errorf("%x: want %v, got %v (%v)", c.b, c.want, got, err)
		}
	}
	b, err := Marshal(&flexible{1, 2})
	if want := []byte{0x92, 1, 2}; err != nil || !bytes.Equal(b, want) {
		t.Errorf("want %x, got %x (%v)", want, b, err)
	}
}

func TestMarshalIsCanonical(t *testing.T) {
	t.Parallel()
	m := map[string]any{}
	for _, k := range strings.Split("h g f e d c b a", " ") {
		m[k] = 1000
	}
	first, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 8*(2+3); len(first) != want {
		t.Errorf("want %d bytes with compact integers, got %d", want, len(first))
	}
	for range 20 {
		if b, _ := Marshal(m); !bytes.Equal(first, b) {
			t.Fatalf("want the keys sorted, got %q", b)
		}
	}
}

func TestMarshalErrors(t *testing.T) {
	t.Parallel()
	if _, err := Marshal(make(chan int)); CodeOf(err) != CodeUsage {
		t.Errorf("channel: want usage, got %v", err)
	}
	if _, err := Marshal(make([]byte, MaxMessage)); CodeOf(err) != CodeTooLarge {
		t.Errorf("16 MiB: want too large, got %v", err)
	}
	if b, err := AppendMarshal([]byte("x"), uint64(1)); err != nil || string(b) != "x\x01" {
		t.Errorf("want x and 1, got %q (%v)", b, err)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"nothing":                 {nil, false},
		"nil":                     {[]byte{0xc0}, true},
		"trailing byte":           {[]byte{0xc0, 0xc0}, false},
		"depth 32":                {deep(32), true},
		"depth 33":                {deep(33), false},
		"depth 100000":            {deep(100000), false},
		"string bomb":             {[]byte{0xdb, 0xff, 0xff, 0xff, 0xff}, false},
		"bin bomb":                {[]byte{0xc6, 0x7f, 0xff, 0xff, 0xff, 1}, false},
		"array bomb":              {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, false},
		"map bomb":                {[]byte{0xdf, 0xff, 0xff, 0xff, 0xff}, false},
		"map of half the entries": {[]byte{0x82, 0xa1, 'a', 1}, false},
		"ext bomb":                {[]byte{0xc9, 0xff, 0xff, 0xff, 0xff, 1}, false},
		"fixext cut short":        {[]byte{0xd8, 1, 2}, false},
		"uint64 cut short":        {[]byte{0xcf, 1, 2}, false},
		"length cut short":        {[]byte{0xdc, 1}, false},
		"unused code":             {[]byte{0xc1}, false},
		"over 16 MiB":             {make([]byte, MaxMessage+1), false},
		"many nils": {append([]byte{0xdd, 0, 0x10, 0, 1},
			bytes.Repeat([]byte{0xc0}, MaxElements+1)...), false},
	} {
		var v any
		err := Unmarshal(c.b, &v)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: want ok=%v, got %v", name, c.ok, err)
		}
	}
}

func TestUnmarshalCheckAllocatesNothing(t *testing.T) {
	b, err := Marshal(envelopes()["feed"][0])
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { check(b) }); n != 0 {
		t.Errorf("want no allocation, got %v", n)
	}
}

func TestUnmarshalRefusesNilChange(t *testing.T) {
	t.Parallel()
	for _, v := range []any{new(Feed), new(Page)} {
		b := []byte{0x94, 1, 1, 1, 0x91, 0xc0}
		if _, ok := v.(*Page); ok {
			b = []byte{0x95, 1, 1, 1, 1, 0x91, 0xc0}
		}
		if err := Unmarshal(b, v); !errors.Is(err, ErrMalformed) {
			t.Errorf("%T: want ErrMalformed, got %v", v, err)
		}
	}
}

func TestUnmarshalKeepsNoReference(t *testing.T) {
	t.Parallel()
	b, _ := Marshal(&Request{ID: []byte("0123456789abcdef"), Body: msgpack.RawMessage{0xa1, 'x'}})
	var r Request
	if err := Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	clear(b)
	if string(r.ID) != "0123456789abcdef" || string(r.Body) != "\xa1x" {
		t.Errorf("want the values kept, got %q %q", r.ID, r.Body)
	}
}

func TestCodecConcurrently(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range uint64(200) {
				want := &Page{Revision: uint64(i)*1000 + n, Changes: []*Change{sampleChange(n + 1)}}
				b, err := Marshal(want)
				if err != nil {
					t.Error(err)
					return
				}
				got := new(Page)
				if err := Unmarshal(b, got); err != nil || !cmp.Equal(want, got, unexported) {
					t.Errorf("want %v, got %v (%v)", want, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzUnmarshal(f *testing.F) {
	for _, pair := range envelopes() {
		b, err := Marshal(pair[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{0x81, 0x91, 1, 1})
	f.Add([]byte{0xd6, 0xff, 0, 0, 0, 1})
	f.Add([]byte{0xc7, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(Request), new(Response), new(Change), new(Feed), new(Page), new(any), new(map[string]string), new([]string)} {
			if err := Unmarshal(b, v); err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%T: want ErrMalformed, got %v", v, err)
				}
				continue
			}
			again(t, v)
		}
	})
}

// again checks that what was decoded encodes to something that decodes.
func again(t *testing.T, v any) {
	switch v.(type) {
	case *Request, *Response, *Change, *Feed, *Page:
	default:
		return
	}
	b, err := Marshal(v)
	if err != nil {
		t.Fatalf("%T: encode what was decoded: %v", v, err)
	}
	if err := Unmarshal(b, v); err != nil {
		t.Fatalf("%T: decode %x: %v", v, b, err)
	}
}

func BenchmarkMarshalFeed(b *testing.B) {
	f := envelopes()["feed"][0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Marshal(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshalFeed(b *testing.B) {
	msg, _ := Marshal(envelopes()["feed"][0])
	b.ReportAllocs()
	for b.Loop() {
		if err := Unmarshal(msg, new(Feed)); err != nil {
			b.Fatal(err)
		}
	}
}
