package engine

import (
	"container/heap"
	"sync"
	"sync/atomic"

	"github.com/lwjbus/lwjbus/bus"
)

// waiters wakes readers when what they wait for was revealed. Nobody is woken
// for somebody else's key.
type waiters struct {
	count atomic.Int64 // so that a round with nobody waiting costs one load

	mu   sync.Mutex
	keys map[WaitKey]map[chan struct{}]struct{}
	revs revHeap
}

type revWait struct {
	revision uint64
	ch       chan struct{}
	index    int
}

func (w *waiters) init() { w.keys = map[WaitKey]map[chan struct{}]struct{}{} }

// key returns a channel that gets a token at each change of a key.
func (w *waiters) key(bucket, key string) (<-chan struct{}, func()) {
	return w.any([]WaitKey{{bucket, key}})
}

// any returns a channel that gets a token at each change of one of the keys.
func (w *waiters) any(keys []WaitKey) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		if w.keys[k] == nil {
			w.keys[k] = map[chan struct{}]struct{}{}
		}
		w.keys[k][ch] = struct{}{}
	}
	w.count.Add(1)
	return ch, func() { w.leave(keys, ch) }
}

func (w *waiters) leave(keys []WaitKey, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		delete(w.keys[k], ch)
		if len(w.keys[k]) == 0 {
			delete(w.keys, k)
		}
	}
	w.count.Add(-1)
}

// revision returns a channel that gets a token when a revision is reached.
func (w *waiters) revision(rev uint64) (<-chan struct{}, func()) {
	r := &revWait{revision: rev, ch: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	heap.Push(&w.revs, r)
	w.count.Add(1)
	return r.ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if r.index >= 0 {
			heap.Remove(&w.revs, r.index)
		}
		w.count.Add(-1)
	}
}

// revealed wakes those who wait for one of the changes or for the revision.
func (w *waiters) revealed(changes []*bus.Change, revision uint64) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		for ch := range w.keys[WaitKey{c.Bucket, c.Key}] {
			token(ch)
		}
	}
	for len(w.revs) > 0 && w.revs[0].revision <= revision {
		token(heap.Pop(&w.revs).(*revWait).ch)
	}
}

func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// revHeap orders waits by revision.
type revHeap []*revWait

func (h revHeap) Len() int           { return len(h) }
func (h revHeap) Less(i, j int) bool { return h[i].revision < h[j].revision }
func (h revHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *revHeap) Push(x any) {
	r := x.(*revWait)
	r.index = len(*h)
	*h = append(*h, r)
}

// Pop is for package heap.
func (h *revHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	*h, r.index = old[:len(old)-1], -1
	return r
}
