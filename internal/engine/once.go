package engine

import (
	"sync/atomic"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of the once table.
const (
	// OnceWindow is how long, in engine time, the answer of a request is kept.
	OnceWindow = 10 * time.Minute
	// MaxOnce bounds the answers that are kept; the oldest go first.
	MaxOnce = 1 << 19
	// MaxOnceBytes bounds what the kept answers take that have more than
	// smallAnswer bytes each: transactions return what they read. Of the oldest
	// the answer is dropped and the id stays, so that nothing is done twice.
	MaxOnceBytes = 128 << 20
	smallAnswer  = 256
)

// requestID is the id a client gives a request that it may send again.
type requestID [16]byte

// answered is the answer that a request got.
type answered struct {
	id       requestID
	revision uint64
	time     int64 // engine time
	answer   []byte
	large    *largeAnswer // instead of answer, if it has more than smallAnswer bytes
}

// largeAnswer is an answer, nil once it was dropped. Checkpoints read it
// beside the loop.
type largeAnswer = atomic.Pointer[[]byte]

// body is the answer, empty if it was dropped: no answer is.
func (a *answered) body() []byte {
	if a.large == nil {
		return a.answer
	}
	if b := a.large.Load(); b != nil {
		return *b
	}
	return nil
}

// answerGone is what is told of a request whose answer was dropped.
func answerGone(revision uint64) error {
	return bus.NewError(bus.CodeUnknownOutcome, "the request was executed before, at revision %d; its answer is no longer kept", revision).
		WithRevision(revision).WithHint("look at what it was to change")
}

// once remembers answers, so that a request sent again is answered and not
// repeated. Entries are in the order of their revisions; only the engine's
// loop touches it.
type once struct {
	entries []answered
	first   uint64 // number of entries[0] since the beginning
	index   map[requestID]uint64
	floor   uint64 // revision of the newest entry that was dropped
	large   []held // large answers, oldest first
	bytes   int    // of large
}

// held is a large answer that is kept.
type held struct {
	number uint64 // of its entry
	size   int
	answer *largeAnswer
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
	n := o.first + uint64(len(o.entries))
	o.index[a.id] = n
	if size := len(a.answer); size > smallAnswer {
		body := a.answer
		a.answer, a.large = nil, new(largeAnswer)
		a.large.Store(&body)
		o.large, o.bytes = append(o.large, held{n, size, a.large}), o.bytes+size
	}
	o.entries = append(o.entries, a)
	for o.bytes > MaxOnceBytes {
		o.dropLarge()
	}
}

// dropLarge drops the oldest large answer.
func (o *once) dropLarge() {
	o.large[0].answer.Store(nil)
	o.bytes -= o.large[0].size
	o.large[0] = held{}
	o.large = o.large[1:]
}

// expire drops what is too old or too much; its revision becomes the floor.
func (o *once) expire(now int64) {
	for len(o.entries) > 0 && (len(o.entries) > MaxOnce || now-o.entries[0].time > int64(OnceWindow)) {
		a := o.entries[0]
		delete(o.index, a.id)
		o.floor = max(o.floor, a.revision)
		if len(o.large) > 0 && o.large[0].number == o.first {
			o.dropLarge()
		}
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
	for l := len(o.large); l > 0 && o.large[l-1].number >= o.first+uint64(n); l-- {
		o.bytes -= o.large[l-1].size
		o.large = o.large[: l-1 : l-1]
	}
}
