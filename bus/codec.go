package bus

import (
	"bytes"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// Bounds of a message.
const (
	MaxMessage  = 16 << 20 // bytes, the payload of the embedded server
	MaxDepth    = 32       // arrays and maps inside each other
	MaxElements = 1 << 20  // entries that one array or map may declare
)

// Marshal encodes v as msgpack: integers as short as they go, the keys of
// map[string]string, map[string]bool and map[string]any sorted.
//
// Errors: CodeTooLarge over MaxMessage; CodeUsage for a type that has no msgpack form.
// Safe for concurrent use.
func Marshal(v any) ([]byte, error) { return AppendMarshal(nil, v) }

// AppendMarshal appends what Marshal would return to dst. After an error dst
// is returned as it was.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	s := encoders.Get().(*encodeState)
	defer s.release()
	if err := s.enc.Encode(v); err != nil {
		return dst, NewError(CodeUsage, "encode %T: %v", v, err)
	}
	if s.out.Len() > MaxMessage {
		return dst, NewError(CodeTooLarge, "a message of %d bytes is over %d", s.out.Len(), MaxMessage)
	}
	return append(dst, s.out.Bytes()...), nil
}

// Unmarshal decodes exactly one msgpack value into v, a pointer. The bytes are
// checked before anything is allocated: no declared length beyond the bytes
// that are there or over MaxElements, no nesting over MaxDepth, nothing after
// the value, at most MaxMessage bytes. v keeps no reference to b. After an
// error v may be partly filled.
//
// Errors: ErrMalformed. It never panics on any bytes (FuzzUnmarshal).
// Safe for concurrent use.
func Unmarshal(b []byte, v any) error {
	if p, ok := v.(*Page); ok && p.open(b) {
		return nil // it checks as it goes: the largest messages are read once
	}
	if reason := check(b); reason != "" {
		return NewError(CodeMalformed, "%s", reason)
	}
	if e, ok := v.(envelope); ok && e.open(b) {
		return nil
	}
	return decode(b, v)
}

// decode is Unmarshal of checked bytes.
func decode(b []byte, v any) (err error) {
	s := decoders.Get().(*decodeState)
	s.in.Reset(b)
	s.dec.Reset(&s.in)
	defer func() {
		// A decoder that panicked is not used again.
		if p := recover(); p != nil {
			err = NewError(CodeMalformed, "decode %T: %v", v, p)
			return
		}
		s.release()
	}()
	if err := s.dec.Decode(v); err != nil {
		return NewError(CodeMalformed, "decode %T: %v", v, err)
	}
	return nil
}

// keptBuffer is the largest buffer, in bytes, that is kept for the next message.
const keptBuffer = 1 << 20

type encodeState struct {
	out bytes.Buffer
	enc *msgpack.Encoder
}

var encoders = sync.Pool{New: func() any {
	s := &encodeState{enc: msgpack.NewEncoder(nil)}
	s.reset()
	return s
}}

func (s *encodeState) reset() {
	s.out.Reset()
	s.enc.Reset(&s.out)
	s.enc.UseCompactInts(true)
	s.enc.SetSortMapKeys(true)
}

func (s *encodeState) release() {
	if s.out.Cap() > keptBuffer {
		return
	}
	s.reset()
	encoders.Put(s)
}

type decodeState struct {
	in  bytes.Reader
	dec *msgpack.Decoder
}

var decoders = sync.Pool{New: func() any { return &decodeState{dec: msgpack.NewDecoder(nil)} }}

func (s *decodeState) release() {
	s.in.Reset(nil)
	decoders.Put(s)
}
