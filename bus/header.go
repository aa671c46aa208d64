package bus

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// HeaderKey is the escaped key of a single event whose subject does not name
// it: that of a job's event. Elsewhere it is left out.
const HeaderKey = "Lwj-Key"

// headerKVOperation marks a delete for plain NATS KV clients.
const headerKVOperation = "KV-Operation"

// Header returns the metadata of the change as NATS headers: what is zero or
// empty is left out, but for the revision, the previous revision and the
// version. A delete also carries what makes it one for NATS KV clients. extra
// holds further headers, name and value by turns, such as HeaderEpoch.
func (c *Change) Header(extra ...string) nats.Header {
	h := make(nats.Header, 8+len(extra)/2)
	setUint(h, HeaderRevision, c.Revision)
	setUint(h, HeaderPrevious, c.Previous)
	setUint(h, HeaderVersion, c.Version)
	setSome(h, HeaderCreated, c.Created)
	setSome(h, HeaderToken, c.Token)
	setSome(h, HeaderClock, c.Clock)
	setText(h, HeaderOwner, EscapeHeader(c.Owner))
	setText(h, HeaderReason, c.Reason)
	if c.Time != 0 {
		h[HeaderTime] = []string{strconv.FormatInt(c.Time, 10)}
	}
	if c.Parts > 1 {
		h[HeaderPart] = []string{strconv.FormatUint(uint64(c.Part), 10) + "/" + strconv.FormatUint(uint64(c.Parts), 10)}
	}
	if c.Op == OpDelete {
		h[headerKVOperation] = []string{"DEL"}
	}
	for i := 0; i+1 < len(extra); i += 2 {
		setText(h, extra[i], extra[i+1])
	}
	return h
}

func setUint(h nats.Header, name string, n uint64) { h[name] = []string{strconv.FormatUint(n, 10)} }

func setSome(h nats.Header, name string, n uint64) {
	if n != 0 {
		setUint(h, name, n)
	}
}

func setText(h nats.Header, name, value string) {
	if value != "" {
		h[name] = []string{value}
	}
}

// EscapeHeader returns text as it stands in a header: a control byte, a space
// and "%" become %XX, so that no text ends its header or loses a blank.
func EscapeHeader(text string) string {
	if strings.IndexFunc(text, unfitRune) < 0 {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; unfitRune(rune(c)) {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&0x0f])
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func unfitRune(r rune) bool { return r <= ' ' || r == '%' || r == 0x7f }

// UnescapeHeader returns the text whose EscapeHeader is s; false if there is none.
func UnescapeHeader(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}

// ChangeFromMsg returns the change that a projected key or a single event
// shows. The key is that of HeaderKey, else of the subject.
//
// Errors: ErrMalformed for a message without our headers or key.
func ChangeFromMsg(bucket string, m *nats.Msg) (*Change, error) {
	key, ok := keyOf(m)
	if !ok {
		return nil, NewError(CodeMalformed, "no key of ours in subject %q", m.Subject)
	}
	c := &Change{Bucket: bucket, Key: key}
	if err := c.readHeader(m.Header); err != nil {
		return nil, err
	}
	if c.Op == OpPut {
		c.Value = append([]byte{}, m.Data...)
	}
	return c, nil
}

func (c *Change) readHeader(h nats.Header) error {
	r := headerReader{h: h}
	r.must(HeaderRevision)
	c.Revision, c.Previous, c.Version = r.uint(HeaderRevision), r.uint(HeaderPrevious), r.uint(HeaderVersion)
	c.Created, c.Token, c.Clock = r.uint(HeaderCreated), r.uint(HeaderToken), r.uint(HeaderClock)
	c.Time, c.Reason, c.Owner = r.int(HeaderTime), r.text(HeaderReason), r.escaped(HeaderOwner)
	c.Part, c.Parts = r.part()
	c.Op = OpPut
	if op := r.text(headerKVOperation); op == "DEL" || op == "PURGE" {
		c.Op = OpDelete
	}
	return r.err
}

// headerReader reads values of a header and keeps the first error.
type headerReader struct {
	h   nats.Header
	err error
}

func (r *headerReader) text(name string) string {
	if v := r.h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (r *headerReader) must(name string) {
	if r.text(name) == "" {
		r.fail(name)
	}
}

func (r *headerReader) fail(name string) {
	if r.err == nil {
		r.err = NewError(CodeMalformed, "header %s is %q", name, r.text(name))
	}
}

func (r *headerReader) uint(name string) uint64 {
	s := r.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		r.fail(name)
	}
	return n
}

func (r *headerReader) int(name string) int64 {
	s := r.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.fail(name)
	}
	return n
}

func (r *headerReader) escaped(name string) string {
	s, ok := UnescapeHeader(r.text(name))
	if !ok {
		r.fail(name)
	}
	return s
}

func (r *headerReader) part() (part, parts uint32) {
	s := r.text(HeaderPart)
	if s == "" {
		return 1, 1
	}
	i, n, _ := strings.Cut(s, "/")
	a, err1 := strconv.ParseUint(i, 10, 32)
	b, err2 := strconv.ParseUint(n, 10, 32)
	if err1 != nil || err2 != nil || a < 1 || a > b {
		r.fail(HeaderPart)
	}
	return uint32(a), uint32(b)
}

// keyOf returns the key that a message speaks of.
func keyOf(m *nats.Msg) (string, bool) {
	if v := m.Header[HeaderKey]; len(v) > 0 {
		return UnescapeKey(v[0])
	}
	first, rest, _ := strings.Cut(m.Subject, ".")
	class, rest, _ := strings.Cut(rest, ".")
	if first == "$KV" {
		return unescapeSome(rest)
	}
	a, b, _ := strings.Cut(rest, ".")
	switch class {
	case "kv": // <ns>.kv.<bucket>.<key>
		return unescapeSome(b)
	case "state": // <ns>.state.<id>
		return a + ".state", a != "" && b == ""
	case "ctl": // <ns>.ctl.<owner>.<id>
		id := rest[strings.LastIndexByte(rest, '.')+1:]
		return id + ".ctl", id != "" && id != rest
	}
	return "", false
}

func unescapeSome(s string) (string, bool) {
	key, ok := UnescapeKey(s)
	return key, ok && key != ""
}
