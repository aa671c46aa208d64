package engine

import (
	"sync"

	"github.com/lwjbus/lwjbus/bus"
)

// changeWeight is what a change counts beside its key and value: its headers
// on the way, and its place in memory.
const changeWeight = 256

// weight is what a change counts against the bounds of bytes.
func weight(c *bus.Change) int { return len(c.Key) + len(c.Value) + changeWeight }

// record is one record of the log that waits to be projected. Where from is
// set, it stands for a run of records that were forgotten: everything of the
// revisions from `from` to `revision`, up to record seq.
type record struct {
	seq      uint64
	revision uint64 // of its last change
	from     uint64
	changes  []*bus.Change
	count    int
	bytes    int64
}

// projectQueue holds records in order. Beyond MaxProjectHeld it forgets their
// changes and remembers what it forgot as one record. It never blocks.
type projectQueue struct {
	ready chan struct{} // holds a token while the queue is not empty

	mu     sync.Mutex
	items  []record // the last one may be a run of forgotten ones
	held   int64
	newSeq uint64
}

func (q *projectQueue) init() { q.ready = make(chan struct{}, 1) }

// add appends a record, or what it is about.
func (q *projectQueue) add(r record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.newSeq = max(q.newSeq, r.seq)
	last := len(q.items) - 1
	switch {
	case last >= 0 && q.items[last].from != 0 && q.held > 0:
		q.items[last].forget(r) // once it forgets, it does so until memory is free again
	case last >= 0 && q.held+r.bytes > MaxProjectHeld:
		r.from = firstRevision(r)
		r.changes = nil
		q.items = append(q.items, r)
	default:
		q.items = append(q.items, r)
		q.held += r.bytes
	}
	q.signal()
}

// forget takes r into a run of forgotten records.
func (r *record) forget(next record) {
	r.seq, r.count, r.bytes = next.seq, r.count+next.count, r.bytes+next.bytes
	r.revision = max(r.revision, next.revision)
}

func firstRevision(r record) uint64 {
	if len(r.changes) == 0 {
		return max(r.revision, 1)
	}
	return r.changes[0].Revision
}

// owe puts everything up to a revision in front, as if it had been forgotten.
func (q *projectQueue) owe(seq, revision uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append([]record{{seq: seq, from: 1, revision: revision}}, q.items...)
	q.newSeq = max(q.newSeq, seq)
	q.signal()
}

// take returns the oldest record.
func (q *projectQueue) take() (r record, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return r, false
	}
	r = q.items[0]
	q.items[0] = record{}
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	if r.from == 0 {
		q.held -= r.bytes
	}
	q.signal()
	return r, true
}

// newest is the sequence of the newest record that was ever added.
func (q *projectQueue) newest() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.newSeq
}

// signal keeps the token while there is something to take.
func (q *projectQueue) signal() {
	if len(q.items) == 0 {
		return
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// broadcast wakes everybody who waits for a change.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

// wait returns a channel that is closed at the next wake.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
