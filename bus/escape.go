package bus

import "strings"

// EscapeKey returns the key as it stands in subjects and NATS KV buckets: a
// byte outside [-/_.A-Za-z0-9], "=" itself, a leading "_", and a dot that
// leads, trails or follows a dot become "=XX", two upper-case hex digits.
// The result of a key that is not empty is a legal NATS KV key, and two keys
// never have the same one (FuzzEscapeKey). A key that needs no escape is
// returned as it is, without an allocation.
func EscapeKey(key string) string {
	n := 0
	for i := range len(key) {
		if mustEscape(key, i) {
			n++
		}
	}
	if n == 0 {
		return key
	}
	var b strings.Builder
	b.Grow(len(key) + 2*n)
	for i := range len(key) {
		if mustEscape(key, i) {
			b.WriteByte('=')
			b.WriteByte(upperHex[key[i]>>4])
			b.WriteByte(upperHex[key[i]&0x0f])
			continue
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

// UnescapeKey returns the key whose EscapeKey is s; false if there is none.
func UnescapeKey(s string) (string, bool) {
	key, ok := unescape(s)
	if !ok || EscapeKey(key) != s {
		return "", false
	}
	return key, true
}

func unescape(s string) (string, bool) {
	n := strings.Count(s, "=")
	if n == 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), true
}

const upperHex = "0123456789ABCDEF"

// mustEscape reports whether byte i of key may not stand as it is.
func mustEscape(key string, i int) bool {
	switch c := key[i]; {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '/':
		return false
	case c == '_':
		return i == 0
	case c == '.':
		return i == 0 || i == len(key)-1 || key[i-1] == '.'
	}
	return true
}
