package engine

import (
	"container/heap"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of leases.
const (
	// OwnerBucket holds the registrations of owners: key = id.
	OwnerBucket = "_owner"
	// MinTTL and MaxTTL bound a lease; DefaultTTL is what a session takes.
	MinTTL     = time.Second
	MaxTTL     = 24 * time.Hour
	DefaultTTL = 10 * time.Second
	// endPause is how long, in engine time, an end that failed waits for its next try.
	endPause = int64(time.Second)
)

// lease is the deadline of one owner. Deadlines are engine time and live in
// memory only: renewing costs no write, and a new engine gives every lease
// its full TTL again.
type lease struct {
	id       string
	token    uint64
	ttl      int64 // 0: it has no deadline, and is not in the heap
	deadline int64
	ending   bool // a transaction that ends it is under way
	over     bool // no longer an owner: what it owns is being settled
	index    int
}

// timed tells whether the lease is in the heap.
func (le *lease) timed() bool { return le.ttl > 0 || le.over }

// left is what is left of the lease; 0 where it has none.
func (le *lease) left(now int64) time.Duration {
	if !le.timed() {
		return 0
	}
	return time.Duration(max(0, le.deadline-now))
}

// leases is the table of all leases.
type leases struct {
	mu   sync.Mutex
	byID map[string]*lease
	due  leaseHeap
}

// restart takes up the registered owners, each with its full TTL.
func (l *leases) restart(s *keyspace, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID, l.due = map[string]*lease{}, nil
	s.Range(OwnerBucket, "", nil, func(c *bus.Change) bool {
		l.setLocked(c, now)
		return true
	})
}

// revealed follows registrations that were committed, and tells whether one of
// them is ending: its settlement goes on at once.
func (l *leases) revealed(changes []*bus.Change, now int64) (ending bool) {
	for _, c := range changes {
		if c.Bucket != OwnerBucket {
			continue
		}
		l.mu.Lock()
		if old := l.byID[c.Key]; old != nil {
			if old.timed() {
				heap.Remove(&l.due, old.index)
			}
			delete(l.byID, c.Key)
		}
		if c.Op == bus.OpPut {
			ending = l.setLocked(c, now) || ending
		}
		l.mu.Unlock()
	}
	return ending
}

// setLocked takes up a registration and tells whether it is ending.
func (l *leases) setLocked(c *bus.Change, now int64) (ending bool) {
	r, token, ok := readRegistration(c)
	if !ok {
		return false
	}
	le := &lease{id: c.Key, token: token, ttl: r.TTL * int64(time.Millisecond), over: r.Ending}
	if le.deadline = now + le.ttl; le.over {
		le.deadline = now
	}
	l.byID[le.id] = le
	if le.timed() {
		heap.Push(&l.due, le)
	}
	return le.over
}

// left is what is left of an owner's lease; 0 where it has none.
func (l *leases) left(o Owner, now int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	le := l.byID[o.ID]
	if le == nil || le.token != o.Token || le.over {
		return 0
	}
	return le.left(now)
}

// renew gives a lease its full TTL from now on.
//
// Errors: CodeNoOwner where there is none, CodeFenced for another token.
func (l *leases) renew(id string, token uint64, now int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	le := l.byID[id]
	switch {
	case le == nil || le.ending || le.over || isTTLOwner(id):
		return noOwner(id)
	case le.token != token:
		return bus.NewError(bus.CodeFenced, "owner %q has been registered again since (token %d, not %d)", id, le.token, token)
	}
	if le.timed() {
		le.deadline = now + le.ttl
		heap.Fix(&l.due, le.index)
	}
	return nil
}

func noOwner(id string) *bus.Error {
	return bus.NewError(bus.CodeNoOwner, "owner %q is not registered, or its lease has ended", id)
}

// expire returns a lease whose time is over, if there is one, and marks it.
func (l *leases) expire(now int64) (o Owner, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) == 0 || l.due[0].ending || l.due[0].deadline > now {
		return Owner{}, false
	}
	le := l.due[0]
	le.ending = true
	heap.Fix(&l.due, 0)
	return Owner{le.id, le.token}, true
}

// failed has the end of a lease tried again after a while.
func (l *leases) failed(o Owner, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if le := l.byID[o.ID]; le != nil && le.token == o.Token && le.timed() {
		le.ending, le.deadline = false, now+endPause
		heap.Fix(&l.due, le.index)
	}
}

// unwind forgets which leases are ending: the transactions that ended them
// never were.
func (l *leases) unwind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, le := range l.byID {
		le.ending = false
	}
	heap.Init(&l.due)
}

// extend gives every owner its full TTL again, after a time in which nobody
// could renew (TestLeaseOutlivesDoubt).
func (l *leases) extend(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, le := range l.byID {
		if !le.over && !le.ending {
			le.deadline = max(le.deadline, now+le.ttl)
		}
	}
	heap.Init(&l.due)
}

// leaseHeap orders leases by deadline; those that are ending come last.
type leaseHeap []*lease

func (h leaseHeap) Len() int { return len(h) }
func (h leaseHeap) Less(i, j int) bool {
	if h[i].ending != h[j].ending {
		return h[j].ending
	}
	return h[i].deadline < h[j].deadline
}

func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *leaseHeap) Push(x any) {
	le := x.(*lease)
	le.index = len(*h)
	*h = append(*h, le)
}

// Pop is for package heap.
func (h *leaseHeap) Pop() any {
	old := *h
	le := old[len(old)-1]
	*h = old[:len(old)-1]
	return le
}
