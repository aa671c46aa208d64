package bus

import "encoding/binary"

// check says what is wrong with b as one msgpack value; "" if nothing is. It
// allocates nothing, so that a hostile message costs its own bytes only.
func check(b []byte) string {
	if len(b) > MaxMessage {
		return "the message is over 16 MiB"
	}
	end, reason := valueEnd(b, 0, 0)
	if reason == "" && end != len(b) {
		return "bytes follow the message"
	}
	return reason
}

const truncated = "the message is cut short"

// valueEnd returns the index behind the value that starts at b[i].
func valueEnd(b []byte, i, depth int) (int, string) {
	if i >= len(b) {
		return i, truncated
	}
	c := b[i]
	i++
	switch {
	case c <= 0x7f, c >= 0xe0: // fixed numbers
		return i, ""
	case c <= 0x8f:
		return elementsEnd(b, i, uint64(c&0x0f), 2, depth)
	case c <= 0x9f:
		return elementsEnd(b, i, uint64(c&0x0f), 1, depth)
	case c <= 0xbf:
		return bytesEnd(b, i, uint64(c&0x1f))
	}
	return codedEnd(b, i, c, depth)
}

// codedEnd is valueEnd for the codes 0xc0 to 0xdf, the code at b[i-1].
func codedEnd(b []byte, i int, c byte, depth int) (int, string) {
	form := forms[c-0xc0]
	if form.kind == never {
		return i, "a byte that starts no value"
	}
	if uint64(len(b)-i) < uint64(form.width) {
		return i, truncated
	}
	n := bigEndian(b[i : i+form.width])
	i += form.width
	switch form.kind {
	case blob:
		return bytesEnd(b, i, n+form.fixed)
	case array:
		return elementsEnd(b, i, n, 1, depth)
	case table:
		return elementsEnd(b, i, n, 2, depth)
	default:
		return bytesEnd(b, i, form.fixed)
	}
}

func bytesEnd(b []byte, i int, n uint64) (int, string) {
	if uint64(len(b)-i) < n {
		return i, truncated
	}
	return i + int(n), ""
}

// elementsEnd returns the index behind n elements of each values.
func elementsEnd(b []byte, i int, n, each uint64, depth int) (int, string) {
	if depth >= MaxDepth {
		return i, "arrays and maps are nested more than 32 deep"
	}
	if n > MaxElements {
		return i, "an array or a map of more than 1048576 entries"
	}
	if uint64(len(b)-i) < n*each {
		return i, truncated
	}
	for range n * each {
		var reason string
		if i, reason = valueEnd(b, i, depth+1); reason != "" {
			return i, reason
		}
	}
	return i, ""
}

func bigEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return 0
}

type kind uint8

const (
	never kind = iota // no value starts so
	plain             // fixed bytes follow
	blob              // a length of width bytes, then so many bytes and fixed more
	array
	table
)

// form is how the bytes behind a code are laid out.
type form struct {
	kind  kind
	width int    // bytes of the length
	fixed uint64 // bytes besides what the length says
}

// forms are those of the codes 0xc0 to 0xdf (the msgpack specification's table).
var forms = [0x20]form{
	0x00: {plain, 0, 0}, 0x02: {plain, 0, 0}, 0x03: {plain, 0, 0}, // nil, false, true
	0x04: {blob, 1, 0}, 0x05: {blob, 2, 0}, 0x06: {blob, 4, 0}, // bin
	0x07: {blob, 1, 1}, 0x08: {blob, 2, 1}, 0x09: {blob, 4, 1}, // ext: a type byte more
	0x0a: {plain, 0, 4}, 0x0b: {plain, 0, 8}, // float
	0x0c: {plain, 0, 1}, 0x0d: {plain, 0, 2}, 0x0e: {plain, 0, 4}, 0x0f: {plain, 0, 8}, // uint
	0x10: {plain, 0, 1}, 0x11: {plain, 0, 2}, 0x12: {plain, 0, 4}, 0x13: {plain, 0, 8}, // int
	0x14: {plain, 0, 2}, 0x15: {plain, 0, 3}, 0x16: {plain, 0, 5}, 0x17: {plain, 0, 9}, 0x18: {plain, 0, 17}, // fixext
	0x19: {blob, 1, 0}, 0x1a: {blob, 2, 0}, 0x1b: {blob, 4, 0}, // str
	0x1c: {array, 2, 0}, 0x1d: {array, 4, 0},
	0x1e: {table, 2, 0}, 0x1f: {table, 4, 0},
}
