package bus

import (
	"bytes"

	"github.com/lwjbus/lwjbus/internal/pack"
)

// What one change of a message holds in memory with it, at most, when a reader
// keeps it after the others: changes and values are allocated by the piece,
// because a message has hundreds of them.
const (
	feedPiece = 16      // changes
	feedBytes = 4 << 10 // bytes of values; a value of more than a quarter has its own
)

// The least bytes of a change and of a field.
const (
	leastChange = 1 + changeFields
	leastField  = 1
)

// open reads what Marshal wrote, without reflection; false for anything else,
// which the decoder decides on. It keeps no reference to b, and checks it as
// it goes. After false the feed is as it was.
func (f *Feed) open(b []byte) bool {
	u := unpacker{Reader: pack.Read(b)}
	if u.Array(leastField) != 4 {
		return false
	}
	feed := Feed{Incarnation: u.Uint(), Epoch: u.Uint(), Previous: u.Uint(), Changes: u.list()}
	ok := u.Done()
	if ok {
		*f = feed
	}
	return ok
}

// open is that of Feed for pages.
func (p *Page) open(b []byte) bool {
	u := unpacker{Reader: pack.Read(b)}
	if u.Array(leastField) != 5 {
		return false
	}
	page := Page{Incarnation: u.Uint(), Epoch: u.Uint(), Revision: u.Uint(), Next: u.Uint(), Changes: u.list()}
	ok := u.Done()
	if ok {
		*p = page
	}
	return ok
}

// unpacker reads changes.
type unpacker struct {
	pack.Reader
	bucket, owner, reason string // of the change before: the next one's are mostly the same
	changes               []Change
	values                []byte
}

func (u *unpacker) list() []*Change {
	n := u.Array(leastChange)
	if n == 0 {
		return nil
	}
	list := make([]*Change, n)
	for i := range list {
		if len(u.changes) == 0 {
			u.changes = make([]Change, min(feedPiece, n-i))
		}
		list[i], u.changes = &u.changes[0], u.changes[1:]
		if u.change(list[i]); u.Len() == 0 && i+1 < n {
			u.Fail() // cut short, or of another form
			return nil
		}
	}
	return list
}

// change reads the fields in their order.
func (u *unpacker) change(c *Change) {
	if u.Array(leastField) != changeFields {
		u.Fail()
	}
	c.Bucket = same(&u.bucket, u.Text())
	c.Key = string(u.Text())
	c.Value = u.keep(u.Bytes())
	c.Op, c.Part, c.Parts = Op(u.Uint()), uint32(u.Uint()), uint32(u.Uint())
	c.Revision, c.Previous, c.Created, c.Version, c.Clock = u.Uint(), u.Uint(), u.Uint(), u.Uint(), u.Uint()
	c.Time = int64(u.Uint())
	c.Owner = same(&u.owner, u.Text())
	c.Token = u.Uint()
	c.Reason = same(&u.reason, u.Text())
}

// same returns text as a string: the last one, if it is the same.
func same(last *string, text []byte) string {
	if string(text) != *last {
		*last = string(text)
	}
	return *last
}

// keep copies a value into the memory of its piece.
func (u *unpacker) keep(v []byte) []byte {
	if len(v) == 0 || len(v) > feedBytes/4 {
		return bytes.Clone(v)
	}
	if len(v) > cap(u.values)-len(u.values) {
		u.values = make([]byte, 0, min(feedBytes, len(v)+u.Len()))
	}
	at := len(u.values)
	u.values = append(u.values, v...)
	return u.values[at:len(u.values):len(u.values)]
}
