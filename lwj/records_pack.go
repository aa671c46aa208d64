package lwj

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/internal/pack"
)

// The two records of every transition are written and read without reflection;
// what is stored is the same (TestRecordsAsTagged). Only forms and fields that
// they mostly have are read so: the rest is decode's.

// unpackable is a record that reads what bus.Marshal wrote of it, or false for
// what is left to bus.Unmarshal.
type unpackable interface{ unpack(b []byte) bool }

// EncodeMsgpack writes the record as its tags say.
func (r StateRecord) EncodeMsgpack(e *msgpack.Encoder) error {
	w := mapWriter{Encoder: e}
	w.begin(true, r.From != "", r.Epoch != 0, r.Attempt != 0, r.Detail != nil)
	w.text("s", string(r.State), true)
	w.text("f", string(r.From), r.From != "")
	w.number("e", r.Epoch)
	w.number("a", uint64(r.Attempt))
	w.other("d", r.Detail, r.Detail != nil)
	return w.err
}

// EncodeMsgpack writes the record as its tags say.
func (c Control) EncodeMsgpack(e *msgpack.Encoder) error {
	w := mapWriter{Encoder: e}
	w.begin(c.Owner != "", c.Token != 0, c.Epoch != 0, c.Attempt != 0, c.External, c.Own,
		c.Cancel != nil, len(c.Signals) > 0, len(c.Holds) > 0, c.Waiting != nil)
	w.text("o", c.Owner, c.Owner != "")
	w.number("k", c.Token)
	w.number("e", c.Epoch)
	w.number("a", uint64(c.Attempt))
	w.flag("x", c.External)
	w.flag("m", c.Own)
	w.other("c", c.Cancel, c.Cancel != nil)
	w.other("g", c.Signals, len(c.Signals) > 0)
	w.other("h", c.Holds, len(c.Holds) > 0)
	w.other("w", c.Waiting, c.Waiting != nil)
	return w.err
}

// mapWriter writes the fields of a record that are not empty, and keeps the
// first error.
type mapWriter struct {
	*msgpack.Encoder
	err error
}

// begin writes how many of the fields are there.
func (w *mapWriter) begin(there ...bool) {
	n := 0
	for _, is := range there {
		if is {
			n++
		}
	}
	w.err = w.EncodeMapLen(n)
}

// name writes the name of a field that is there, and tells whether to go on.
func (w *mapWriter) name(name string, there bool) bool {
	if there && w.err == nil {
		w.err = w.EncodeString(name)
	}
	return there && w.err == nil
}

func (w *mapWriter) text(name, value string, there bool) {
	if w.name(name, there) {
		w.err = w.EncodeString(value)
	}
}

func (w *mapWriter) number(name string, n uint64) {
	if w.name(name, n != 0) {
		w.err = w.EncodeUint(n)
	}
}

func (w *mapWriter) flag(name string, is bool) {
	if w.name(name, is) {
		w.err = w.EncodeBool(is)
	}
}

func (w *mapWriter) other(name string, value any, there bool) {
	if w.name(name, there) {
		w.err = w.Encode(value)
	}
}

// unpack reads the record.
func (r *StateRecord) unpack(b []byte) bool {
	p := pack.Read(b)
	for range p.Map() {
		switch string(p.Text()) {
		case "s":
			r.State = stateOf(p.Text())
		case "f":
			r.From = stateOf(p.Text())
		case "e":
			r.Epoch = p.Uint()
		case "a":
			r.Attempt = uint32(p.Uint())
		case "d":
			if r.Detail == nil {
				r.Detail = new(Detail)
			}
			r.Detail.unpack(&p)
		default:
			p.Fail()
		}
	}
	return p.Done()
}

// stateOf is a state by its name, without memory of its own for the common ones.
func stateOf(name []byte) State {
	for _, s := range [...]State{Submitted, Reserved, Starting, Running, Complete, Failed, Cancelled} {
		if string(name) == string(s) {
			return s
		}
	}
	return State(name)
}

func (d *Detail) unpack(p *pack.Reader) {
	for range p.Map() {
		switch string(p.Text()) {
		case "x":
			code := int(p.Uint())
			d.ExitCode = &code
		case "r":
			d.Reason = string(p.Text())
		case "h":
			d.Host = string(p.Text())
		case "p":
			d.Pids = unpackInts(p)
		case "c":
			d.Exits = unpackInts(p)
		default:
			p.Fail()
		}
	}
}

func unpackInts(p *pack.Reader) []int {
	out := make([]int, p.Array(1))
	for i := range out {
		out[i] = int(p.Uint())
	}
	return out
}

// unpack reads the record of a job of which nothing is asked.
func (c *Control) unpack(b []byte) bool {
	p := pack.Read(b)
	for range p.Map() {
		switch string(p.Text()) {
		case "o":
			c.Owner = string(p.Text())
		case "k":
			c.Token = p.Uint()
		case "e":
			c.Epoch = p.Uint()
		case "a":
			c.Attempt = uint32(p.Uint())
		case "x":
			c.External = p.Bool()
		case "m":
			c.Own = p.Bool()
		default:
			p.Fail()
		}
	}
	return p.Done()
}
