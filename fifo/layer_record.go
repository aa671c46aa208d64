package fifo

import (
	"encoding/binary"
	"strings"
)

// Stored things are rows of unsigned numbers (encoding/binary, Uvarint), in
// the order of the fields. Numbers are only ever added at the end: a reader
// takes those that are missing as 0 and skips those that it does not know.

// record is the value of a pipe's key.
type record struct {
	MaxItems, MaxBytes uint64
	AckWait            uint64 // engine time, nanoseconds; 0: none
	MaxDeliver         uint64 // 0: no bound
	Flags              uint64
	Bytes              uint64 // of all items in the pipe
	Claims             uint64 // the last number of a claim
	Ring               uint64 // the engine time of its timer; 0: not set
	Born               uint64 // wall time, Unix nanoseconds
	Lines              [lanes]laneState

	Put, Acked, Returned, Buried uint64 // items, ever
}

// Flags of a pipe.
const (
	flagClosed  = 1 // nothing more can be put
	flagWritten = 2 // it had a writer
)

// laneState is one lane. Places are numbered from 1.
type laneState struct {
	Last uint64 // place of the last item
	Out  uint64 // place of the last item that was ever handed out
	Back uint64 // items that were handed back
	Held uint64 // items in flight
}

// ready is how many items can be handed out.
func (l *laneState) ready() uint64 { return l.Last - l.Out + l.Back }

// items is how many items are in the pipe, in whatever state.
func (r *record) items() (n uint64) {
	for i := range r.Lines {
		n += r.Lines[i].ready() + r.Lines[i].Held
	}
	return n
}

func (r *record) is(flag uint64) bool { return r.Flags&flag != 0 }

// fields are the numbers of a record, in their order.
func (r *record) fields() [21]*uint64 {
	m, d := &r.Lines[mainLane], &r.Lines[deadLane]
	return [...]*uint64{
		&r.MaxItems, &r.MaxBytes, &r.AckWait, &r.MaxDeliver, &r.Flags, &r.Bytes, &r.Claims, &r.Ring, &r.Born,
		&m.Last, &m.Out, &m.Back, &m.Held, &d.Last, &d.Out, &d.Back, &d.Held,
		&r.Put, &r.Acked, &r.Returned, &r.Buried,
	}
}

func (r *record) encode() []byte {
	b := make([]byte, 0, 64)
	for _, f := range r.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return b
}

func decodeRecord(b []byte) (r record, ok bool) {
	in := row{b: b}
	for _, f := range r.fields() {
		*f = in.more()
	}
	return r, !in.bad
}

// claim is what one reader was handed at once.
type claim struct {
	Name string // of the pipe
	Due  uint64 // engine time at which it is handed back; 0: none
	Runs []run
}

// run is items at places that follow each other.
type run struct {
	First, Count uint64
	Tries        uint64 // how often they were handed out
}

func (c *claim) encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 32+len(c.Name)), uint64(len(c.Name)))
	b = append(b, c.Name...)
	b = binary.AppendUvarint(b, c.Due)
	b = binary.AppendUvarint(b, uint64(len(c.Runs)))
	for _, r := range c.Runs {
		b = r.append(b)
	}
	return b
}

func decodeClaim(b []byte) (c claim, ok bool) {
	in := row{b: b}
	c.Name = in.text(in.next())
	c.Due = in.next()
	for n := in.next(); n > 0 && !in.bad; n-- {
		c.Runs = append(c.Runs, in.run())
	}
	return c, !in.bad
}

func (r run) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(b, r.First), r.Count), r.Tries)
}

// dead is a dead letter: how it came there, and the item.
type dead struct {
	Tries, Seq, Time uint64
	Data             []byte
}

func (d *dead) encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 24+len(d.Data)), d.Tries)
	b = binary.AppendUvarint(b, d.Seq)
	return append(binary.AppendUvarint(b, d.Time), d.Data...)
}

func decodeDead(b []byte) (d dead, ok bool) {
	in := row{b: b}
	d = dead{Tries: in.next(), Seq: in.next(), Time: in.next(), Data: in.b}
	return d, !in.bad
}

// row reads numbers; after its end, or what is none, only zeros.
type row struct {
	b   []byte
	bad bool
}

func (r *row) next() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// more is next where a number may be missing.
func (r *row) more() uint64 {
	if len(r.b) == 0 {
		return 0
	}
	return r.next()
}

func (r *row) text(n uint64) string {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return ""
	}
	s := strings.Clone(string(r.b[:n]))
	r.b = r.b[n:]
	return s
}

func (r *row) run() run { return run{r.next(), r.next(), r.next()} }
