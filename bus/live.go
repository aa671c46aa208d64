package bus

import "sync"

// live holds the messages that have come in and not been judged yet, at most
// maxEvents changes and maxBytes bytes. Beyond that it drops them all and takes
// none until the reader begins a replay: what is dropped is read again, not
// skipped.
type live struct {
	maxEvents int
	maxBytes  int64
	ready     chan struct{} // has an element after something has come in or was lost

	mu     sync.Mutex
	queue  []received
	events int
	bytes  int64
	lost   bool
}

// received is a live message and what it weighs.
type received struct {
	feed *Feed
	size int64
}

func newLive(maxEvents int, maxBytes int64) *live {
	return &live{maxEvents: maxEvents, maxBytes: maxBytes, ready: make(chan struct{}, 1)}
}

// push adds a message.
func (l *live) push(r received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return
	}
	if l.events+len(r.feed.Changes) > l.maxEvents || l.bytes+r.size > l.maxBytes {
		l.dropLocked()
		return
	}
	l.queue = append(l.queue, r)
	l.weighLocked(r, 1)
	l.signal()
}

// drop forgets everything: a message is missing or cannot be read.
func (l *live) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked()
}

func (l *live) dropLocked() {
	l.queue, l.events, l.bytes, l.lost = nil, 0, 0, true
	l.signal()
}

func (l *live) weighLocked(r received, sign int) {
	l.events += sign * len(r.feed.Changes)
	l.bytes += int64(sign) * r.size
}

func (l *live) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// take removes the oldest message.
func (l *live) take() (received, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return received{}, false
	}
	r := l.queue[0]
	l.queue[0] = received{}
	l.queue = l.queue[1:]
	l.weighLocked(r, -1)
	return r, true
}

// putBack makes r, which was taken, the oldest message again. It may exceed
// the bounds by this one message.
func (l *live) putBack(r received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return
	}
	l.queue = append([]received{r}, l.queue...)
	l.weighLocked(r, 1)
}

func (l *live) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// resume takes messages again: from here on nothing is missing but what a
// replay that begins now will read.
func (l *live) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = false
}
