package engine

import (
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// request is one call of a procedure while it waits for its answer.
type request struct {
	proc  *Procedure
	in    any
	user  string
	id    requestID
	again bool // it has an id: it may be sent again
	base  uint64
	clock uint64
	size  int
	done  func(*bus.Response)
	// patience is until when it may be parked: see Park.
	patience time.Time
	woken    bool // it was parked when its evaluation began
}

// queue is what waits for the loop: bounded, in order of arrival.
type queue struct {
	ready chan struct{} // one token while there is something

	mu     sync.Mutex
	items  []*request
	bytes  int
	closed bool
}

func (q *queue) init() { q.ready = make(chan struct{}, 1) }

// push adds a request.
//
// Errors: ErrOverloaded when a bound is reached, ErrClosed after close.
func (q *queue) push(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return bus.ErrClosed
	case len(q.items) >= MaxQueued || q.bytes+r.size > MaxQueuedBytes && len(q.items) > 0:
		return bus.ErrOverloaded
	}
	q.items = append(q.items, r)
	q.bytes += r.size
	q.wake()
	return nil
}

// take removes at most n requests, reusing into.
func (q *queue) take(into []*request, n int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	into = append(into[:0], q.items[:n]...)
	for _, r := range into {
		q.bytes -= r.size
	}
	if q.items = q.items[n:]; len(q.items) > 0 {
		q.wake()
	}
	return into
}

// unshift puts requests back at the front, past the bounds: they were inside
// them once.
func (q *queue) unshift(rs []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(append(make([]*request, 0, len(rs)+len(q.items)), rs...), q.items...)
	for _, r := range rs {
		q.bytes += r.size
	}
	q.wake()
}

// wake leaves a token; the caller holds mu.
func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// enter adds one to wg unless the queue is closed, so that whoever waits for
// wg after close misses nobody.
func (q *queue) enter(wg *sync.WaitGroup) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		wg.Add(1)
	}
	return !q.closed
}

// close refuses everything from now on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
