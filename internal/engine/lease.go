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
	// endedPerTick and settledPerEnd bound what one turn of the loop ends.
	endedPerTick  = 4096
	settledPerEnd = 1024
	// endPause is how long, in engine time, an end that failed waits for its next try.
	endPause = int64(time.Second)
)

// Registration is the value of an owner's key.
type Registration struct {
	_msgpack struct{} `msgpack:",as_array"`
	TTL      int64    // milliseconds
	Info     string   // for people: host, pid, command
	Ending   bool     // no longer an owner: what it owns is being settled
}

// lease is the deadline of one owner. Deadlines are engine time and live in
// memory only: renewing costs no write, and a new engine gives every lease
// its full TTL again.
type lease struct {
	id       string
	token    uint64
	ttl      int64
	deadline int64
	ending   bool // a transaction that ends it is under way
	over     bool // no longer an owner: what it owns is being settled
	index    int
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

// revealed follows registrations that were committed.
func (l *leases) revealed(changes []*bus.Change, now int64) {
	for _, c := range changes {
		if c.Bucket != OwnerBucket {
			continue
		}
		l.mu.Lock()
		if old := l.byID[c.Key]; old != nil {
			heap.Remove(&l.due, old.index)
			delete(l.byID, c.Key)
		}
		if c.Op == bus.OpPut {
			l.setLocked(c, now)
		}
		l.mu.Unlock()
	}
}

func (l *leases) setLocked(c *bus.Change, now int64) {
	var r Registration
	if err := bus.Unmarshal(c.Value, &r); err != nil {
		return // reported by Verify; an unreadable registration holds nothing
	}
	le := &lease{id: c.Key, token: c.Created, ttl: r.TTL * int64(time.Millisecond), over: r.Ending}
	if le.deadline = now + le.ttl; le.over {
		le.deadline = now
	}
	l.byID[le.id] = le
	heap.Push(&l.due, le)
}

// renew gives a lease its full TTL from now on.
//
// Errors: CodeNoOwner where there is none, CodeFenced for another token.
func (l *leases) renew(id string, token uint64, now int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	le := l.byID[id]
	switch {
	case le == nil || le.ending || le.over:
		return noOwner(id)
	case le.token != token:
		return bus.NewError(bus.CodeFenced, "owner %q has been registered again since (token %d, not %d)", id, le.token, token)
	}
	le.deadline = now + le.ttl
	heap.Fix(&l.due, le.index)
	return nil
}

func noOwner(id string) *bus.Error {
	return bus.NewError(bus.CodeNoOwner, "owner %q is not registered, or its lease has ended", id)
}

// expired returns leases whose time is over and marks them.
func (l *leases) expired(now int64, most int) (out []Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var marked []*lease
	for len(l.due) > 0 && l.due[0].deadline <= now && len(marked) < most {
		le := heap.Pop(&l.due).(*lease)
		marked = append(marked, le)
		if !le.ending {
			le.ending = true
			out = append(out, Owner{le.id, le.token})
		}
	}
	for _, le := range marked {
		heap.Push(&l.due, le)
	}
	return out
}

// failed has the end of a lease tried again after a while.
func (l *leases) failed(o Owner, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if le := l.byID[o.ID]; le != nil && le.token == o.Token {
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
