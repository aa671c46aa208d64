package engine

import "time"

// Bounds of the once table.
const (
	// OnceWindow is how long, in engine time, the answer of a request is kept.
	OnceWindow = 10 * time.Minute
	// MaxOnce bounds the answers that are kept; the oldest go first.
	MaxOnce = 1 << 19
)

// requestID is the id a client gives a request that it may send again.
type requestID [16]byte

// answered is the answer that a request got.
type answered struct {
	id       requestID
	revision uint64
	time     int64 // engine time
	answer   []byte
}

// once remembers answers, so that a request sent again is answered and not
// repeated. Entries are in the order of their revisions; only the engine's
// loop touches it.
type once struct {
	entries []answered
	first   uint64 // number of entries[0] since the beginning
	index   map[requestID]uint64
	floor   uint64 // revision of the newest entry that was dropped
}

func newOnce() *once { return &once{index: map[requestID]uint64{}} }

// get returns what request id was answered.
func (o *once) get(id requestID) (answered, bool) {
	n, ok := o.index[id]
	if !ok {
		return answered{}, false
	}
	return o.entries[n-o.first], true
}

// add remembers an answer.
func (o *once) add(a answered) {
	o.index[a.id] = o.first + uint64(len(o.entries))
	o.entries = append(o.entries, a)
}

// expire drops what is too old or too much; its revision becomes the floor.
func (o *once) expire(now int64) {
	for len(o.entries) > 0 && (len(o.entries) > MaxOnce || now-o.entries[0].time > int64(OnceWindow)) {
		a := o.entries[0]
		delete(o.index, a.id)
		o.floor = max(o.floor, a.revision)
		o.entries = o.entries[1:]
		o.first++
	}
}

// truncate forgets the entries above a revision: their rounds never were.
func (o *once) truncate(revision uint64) {
	n := len(o.entries)
	for n > 0 && o.entries[n-1].revision > revision {
		delete(o.index, o.entries[n-1].id)
		n--
	}
	o.entries = o.entries[:n:n]
}
