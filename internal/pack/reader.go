package pack

import "encoding/binary"

// Bounds, as bus has them: what is over them is a value of another form.
const (
	MaxMessage  = 16 << 20 // bytes
	MaxElements = 1 << 20  // of an array or a map
)

// The first bytes of the forms that a Reader knows.
const (
	fixedMap   = 0x80 // and 4 bits of length; what is below is a number
	fixedArray = 0x90 // and 4 bits of length
	fixedText  = 0xa0 // and 5 bits of length
	codeNil    = 0xc0
	codeNone   = 0xc1 // starts no value
	codeFalse  = 0xc2
	codeTrue   = 0xc3
	codeBytes  = 0xc4 // and 1, with the next codes 2 or 4 bytes of length
	codeUint   = 0xcc // and 1, with the next codes 2, 4 or 8 bytes
	codeText   = 0xd9 // and 1, with the next codes 2 or 4 bytes of length
	codeArray  = 0xdc // and 2, with the next code 4 bytes of length
	codeMap    = 0xde // likewise
)

// Reader reads one value after the other. After a value of another form than
// was asked for, or the end of the bytes, every call returns zero and Done
// false: the calls need no check in between.
type Reader struct {
	b   []byte
	at  int // of the next value; the end once a value was of another form
	bad bool
}

// Read begins to read b, which is not changed.
func Read(b []byte) Reader {
	if len(b) > MaxMessage {
		return Reader{bad: true}
	}
	return Reader{b: b}
}

// Done reports whether all of the bytes have been read, as was asked.
func (r *Reader) Done() bool { return !r.bad && r.at == len(r.b) }

// Len is how many bytes are left: 0 after a value of another form.
func (r *Reader) Len() int { return len(r.b) - r.at }

// Fail makes Done false: a value is not what the caller knows.
func (r *Reader) Fail() { r.at, r.bad = len(r.b), true }

// Uint reads an unsigned integer.
func (r *Reader) Uint() uint64 {
	c := r.code()
	if c < fixedMap {
		return uint64(c)
	}
	return r.number(c-codeUint, 3)
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	c := r.code()
	if c != codeTrue && c != codeFalse {
		r.Fail()
	}
	return c == codeTrue
}

// Text reads a string, as a part of what is read.
func (r *Reader) Text() []byte {
	c := r.code()
	if c&0xe0 == fixedText {
		return r.take(uint64(c & 0x1f))
	}
	return r.take(r.number(c-codeText, 2))
}

// Bytes reads bytes, as a part of what is read; nil for nil only.
func (r *Reader) Bytes() []byte {
	c := r.code()
	if c == codeNil {
		return nil
	}
	return r.take(r.number(c-codeBytes, 2))
}

// Array reads the length of an array whose elements have least bytes or more
// each, which bounds the length by what is there.
func (r *Reader) Array(least int) int { return r.length(fixedArray, codeArray, least) }

// Map reads the length of a map: so many keys and values follow.
func (r *Reader) Map() int { return r.length(fixedMap, codeMap, 2) }

func (r *Reader) length(fixed, coded byte, least int) int {
	c := r.code()
	n := uint64(c & 0x0f)
	if c&0xf0 != fixed {
		if c-coded > 1 {
			r.Fail()
			return 0
		}
		n = r.number(c-coded+1, 2)
	}
	if n > MaxElements || n > uint64(r.Len()/least) {
		r.Fail()
		return 0
	}
	return int(n)
}

// code reads one byte; one that starts no value if there is none.
func (r *Reader) code() byte {
	if r.at >= len(r.b) {
		r.Fail()
		return codeNone
	}
	c := r.b[r.at]
	r.at++
	return c
}

// number reads an integer of 1<<size bytes; a size over most is a value of
// another form.
func (r *Reader) number(size, most byte) uint64 {
	if size > most || r.Len() < 1<<size {
		r.Fail()
		return 0
	}
	b := r.b[r.at:]
	r.at += 1 << size
	switch size {
	case 0:
		return uint64(b[0])
	case 1:
		return uint64(binary.BigEndian.Uint16(b))
	case 2:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

// take reads n bytes.
func (r *Reader) take(n uint64) []byte {
	if n > uint64(r.Len()) || r.bad {
		r.Fail()
		return nil
	}
	from := r.at
	r.at += int(n)
	return r.b[from:r.at:r.at]
}
