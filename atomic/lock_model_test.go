package atomic_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Of TestLockModel.
const (
	modelSessions = 25
	modelPer      = 4 // callers in a session
	modelRounds   = 6
	modelHaste    = 30 * time.Millisecond // some give up within it
)

// turnOf is one grant that a caller had.
type turnOf struct {
	ticket, fence uint64
	shared        bool
}

// lockModel is many callers of one lock, who give up and whose sessions end.
type lockModel struct {
	t    *testing.T
	conn *bus.Conn
	keys *kvbucket.Bucket

	mu    sync.Mutex
	turns []turnOf
}

// run is one caller in a session: it locks for some rounds, or until the
// session ends, which it may end itself.
func (m *lockModel) run(s *kvbucket.Session, r *rand.Rand) {
	l := newLock(m.t, s, "l")
	for range modelRounds {
		ctx, cancel := testContext(m.t), context.CancelFunc(func() {})
		if r.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Int64N(int64(modelHaste))))
		}
		var opts []atomic.LockOption
		shared := r.IntN(2) == 0
		if shared {
			opts = append(opts, atomic.Shared())
		}
		g, err := l.Lock(ctx, opts...)
		cancel()
		switch {
		case err == nil:
			m.inside(s, g, shared)
		case !errors.Is(err, bus.ErrTimeout) && !errors.Is(err, atomic.ErrNoOwner):
			m.t.Errorf("want the lock, or that time or session have ended; got %v", err)
		}
		switch {
		case r.IntN(10*modelRounds) == 0:
			must(m.t, s.Close())
			return
		case err == nil:
			if err := g.Release(testContext(m.t)); err != nil && s.Err() == nil {
				m.t.Errorf("want it released, got %v", err)
			}
		}
	}
}

// inside proves that the holder is alone, or with readers only: who is inside
// has a key, which goes with the session.
func (m *lockModel) inside(s *kvbucket.Session, g *atomic.Grant, shared bool) {
	const others, writer = "in/", "in/writer"
	key, count := writer, kvbucket.OpCount(kvbucket.Prefix(others))
	if shared {
		key, count = fmt.Sprintf("%s%d.%d", others, g.Fence(), g.Ticket()), kvbucket.OpCount(kvbucket.Prefix(writer))
	}
	m.mu.Lock()
	m.turns = append(m.turns, turnOf{g.Ticket(), g.Fence(), shared})
	m.mu.Unlock()
	res, err := m.keys.Commit(testContext(m.t), kvbucket.Txn{
		If:   []kvbucket.Cond{g.Held()},
		Then: []kvbucket.Op{count, kvbucket.OpCreate(key, nil, kvbucket.OwnedBy(s.Owner()))},
	})
	switch {
	case err != nil:
		m.t.Errorf("want to be let in, got %v", err)
		return
	case !res.Succeeded && s.Err() == nil:
		m.t.Error("want the grant of a session that lives held, got it not")
	case res.Succeeded && res.Results[0].Count > 0:
		m.t.Errorf("want nobody else inside with shared %v, got %d", shared, res.Results[0].Count)
	}
	if _, err := m.keys.Commit(testContext(m.t), kvbucket.Txn{If: []kvbucket.Cond{g.Held()}, Then: []kvbucket.Op{kvbucket.OpDelete(key)}}); err != nil {
		m.t.Errorf("want to go out, got %v", err)
	}
}

// check holds the grants against the order of the calls.
func (m *lockModel) check() {
	slices.SortFunc(m.turns, func(a, b turnOf) int { return cmp.Compare(a.ticket, b.ticket) })
	for i := 1; i < len(m.turns); i++ {
		a, b := m.turns[i-1], m.turns[i]
		if b.fence < a.fence || b.fence == a.fence && !(a.shared && b.shared) {
			m.t.Errorf("want grants in the order of their tickets, got %+v before %+v", a, b)
		}
	}
}

// TestLockModel: a hundred callers lock, as readers and writers; some give up,
// some end their session. Nobody is inside beside a writer, the order is that
// of the calls, everybody comes to an end, and nothing is left.
func TestLockModel(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		keys, err := kvbucket.Open(c, "kv")
		must(t, err)
		m := &lockModel{t: t, conn: c, keys: keys}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		var sessions [modelSessions]*kvbucket.Session
		for i := range sessions {
			sessions[i] = openSession(t, c)
		}
		together(modelSessions*modelPer, func(i int) {
			m.run(sessions[i%modelSessions], rand.New(rand.NewPCG(seed, uint64(i))))
		})
		m.check()
		if len(m.turns) < modelSessions*modelPer {
			t.Errorf("want most calls granted, got %d", len(m.turns))
		}
		wantNothing(t, c)
	})
}
