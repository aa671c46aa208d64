package atomic_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func openSession(t testing.TB, c *bus.Conn) *kvbucket.Session {
	t.Helper()
	s, err := kvbucket.OpenSession(testContext(t), c, kvbucket.SessionConfig{})
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	return s
}

func newLock(t testing.TB, s *kvbucket.Session, name string) *atomic.Lock {
	t.Helper()
	l, err := atomic.NewLock(s, name)
	must(t, err)
	return l
}

// hold takes a lock that is to be had.
func hold(t testing.TB, s *kvbucket.Session, name string, opts ...atomic.LockOption) *atomic.Grant {
	t.Helper()
	g, ok, err := newLock(t, s, name).TryLock(testContext(t), opts...)
	must(t, err)
	if !ok {
		t.Fatalf("want lock %q, got that others have it", name)
	}
	return g
}

func drop(t testing.TB, g *atomic.Grant) {
	t.Helper()
	must(t, g.Release(testContext(t)))
}

// outcome is how a wait ended.
type outcome struct {
	grant *atomic.Grant
	err   error
}

// queued is a caller who waits in line.
type queued struct {
	t      testing.TB
	cancel context.CancelFunc
	ended  chan outcome
}

// enqueue calls acquire beside the test and returns when it stands in line: it
// is the only one who writes meanwhile.
func enqueue(t testing.TB, c *bus.Conn, acquire func(context.Context) (*atomic.Grant, error)) *queued {
	t.Helper()
	before, err := kvbucket.Revision(testContext(t), c)
	must(t, err)
	ctx, cancel := context.WithCancel(testContext(t))
	q := &queued{t, cancel, make(chan outcome, 1)}
	go func() { // ends with ctx at the latest; received by end
		g, err := acquire(ctx)
		q.ended <- outcome{g, err}
	}()
	must(t, kvbucket.WaitRevision(testContext(t), c, before+1))
	return q
}

// granted waits for the grant.
func (q *queued) granted() *atomic.Grant {
	q.t.Helper()
	o := <-q.ended
	must(q.t, o.err)
	return o.grant
}

// refused waits for an error.
func (q *queued) refused(want error) {
	q.t.Helper()
	if o := <-q.ended; !errors.Is(o.err, want) {
		q.t.Errorf("want %v, got %+v", want, o)
	}
}

// waits checks that it has not ended.
func (q *queued) waits() {
	q.t.Helper()
	select {
	case o := <-q.ended:
		q.t.Fatalf("want it to wait, got %+v", o)
	default:
	}
}

func locking(l *atomic.Lock, opts ...atomic.LockOption) func(context.Context) (*atomic.Grant, error) {
	return func(ctx context.Context) (*atomic.Grant, error) { return l.Lock(ctx, opts...) }
}

// wantNothing checks that neither grants nor waiters are left.
func wantNothing(t testing.TB, c *bus.Conn) {
	t.Helper()
	for _, name := range []string{atomic.LockBucket, atomic.HoldBucket, atomic.WaitBucket} {
		b, err := kvbucket.Open(c, name)
		must(t, err)
		keys, err := b.Keys(testContext(t), kvbucket.Range{})
		must(t, err)
		if len(keys) > 0 {
			t.Errorf("want nothing in %s, got %q", name, keys)
		}
	}
}

// held writes a key on condition that the grant is held, and tells whether it was.
func held(t testing.TB, c *bus.Conn, g *atomic.Grant) bool {
	t.Helper()
	b, err := kvbucket.Open(c, "kv")
	must(t, err)
	res, err := b.Commit(testContext(t), kvbucket.Txn{If: []kvbucket.Cond{g.Held()}, Then: []kvbucket.Op{kvbucket.OpPut("guarded", nil)}})
	must(t, err)
	return res.Succeeded
}

// TestA09: five wait; the second gives up, the session of the third ends. The
// others are served in the order of their calls, under growing fences.
func TestA09(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		first := hold(t, openSession(t, c), "l")
		var sessions []*kvbucket.Session
		var line []*queued
		for range 5 {
			s := openSession(t, c)
			sessions = append(sessions, s)
			line = append(line, enqueue(t, c, locking(newLock(t, s, "l"))))
		}
		line[1].cancel()
		line[1].refused(context.Canceled)
		must(t, sessions[2].Close())
		line[2].refused(atomic.ErrNoOwner)
		fence := first.Fence()
		drop(t, first)
		for _, i := range []int{0, 3, 4} {
			g := line[i].granted()
			if g.Fence() <= fence || !held(t, c, g) || held(t, c, first) {
				t.Errorf("want a fence above %d that holds, got %d", fence, g.Fence())
			}
			fence = g.Fence()
			drop(t, g)
		}
		wantNothing(t, c)
	})
}

// TestLockEnds: a lock goes to the next with the session of its holder, in the
// same transaction, and whoever had it is told.
func TestLockEnds(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		one, two := openSession(t, c), openSession(t, c)
		g := hold(t, one, "l")
		next := enqueue(t, c, locking(newLock(t, two, "l")))
		before, err := kvbucket.Revision(testContext(t), c)
		must(t, err)
		must(t, one.Close())
		if got := next.granted(); got.Fence() != before+1 {
			t.Errorf("want it in the transaction %d, got %d", before+1, got.Fence())
		}
		<-g.Lost()
		if err := g.Err(); !errors.Is(err, atomic.ErrNoOwner) {
			t.Errorf("want %v, got %v", atomic.ErrNoOwner, err)
		}
		if err := g.Release(testContext(t)); !errors.Is(err, atomic.ErrLost) {
			t.Errorf("want %v, got %v", atomic.ErrLost, err)
		}
		if held(t, c, g) {
			t.Error("want the old fence refused, got it taken")
		}
		if _, err := newLock(t, one, "l").Lock(testContext(t)); !errors.Is(err, atomic.ErrNoOwner) {
			t.Errorf("want %v, got %v", atomic.ErrNoOwner, err)
		}
	})
}

// TestLockShared: readers share; who waits is served in order, so no reader
// passes a writer; a writer that gives up lets the readers behind it in.
func TestLockShared(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		s := openSession(t, c)
		l := newLock(t, s, "l")
		one, two := hold(t, s, "l", atomic.Shared()), hold(t, openSession(t, c), "l", atomic.Shared())
		writer := enqueue(t, c, locking(l))
		three := enqueue(t, c, locking(l, atomic.Shared()))
		four := enqueue(t, c, locking(l, atomic.Shared()))
		if _, ok, err := l.TryLock(testContext(t), atomic.Shared()); ok || err != nil {
			t.Errorf("want a reader to wait behind a writer, got %v, %v", ok, err)
		}
		drop(t, one)
		writer.waits()
		drop(t, two)
		w := writer.granted()
		three.waits()
		drop(t, w)
		a, b := three.granted(), four.granted()
		if a.Fence() != b.Fence() || !held(t, c, a) || !held(t, c, b) {
			t.Errorf("want both readers at once, got %d and %d", a.Fence(), b.Fence())
		}
		writer = enqueue(t, c, locking(l))
		five := enqueue(t, c, locking(l, atomic.Shared()))
		writer.cancel()
		writer.refused(context.Canceled)
		for _, g := range []*atomic.Grant{a, b, five.granted()} {
			drop(t, g)
		}
		wantNothing(t, c)
	})
}

// TestLockTry: a try and a deadline do not wait longer, and leave nothing.
func TestLockTry(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		s := openSession(t, c)
		g, l := hold(t, s, "l"), newLock(t, s, "l")
		before, err := kvbucket.Revision(testContext(t), c)
		must(t, err)
		for _, opts := range [][]atomic.LockOption{nil, {atomic.Shared()}} {
			if _, ok, err := l.TryLock(testContext(t), opts...); ok || err != nil {
				t.Errorf("want it refused, got %v, %v", ok, err)
			}
		}
		after, err := kvbucket.Revision(testContext(t), c)
		must(t, err)
		if before != after {
			t.Errorf("want no write by a try, got revision %d after %d", after, before)
		}
		ctx, cancel := context.WithTimeout(testContext(t), 1)
		defer cancel()
		if _, err := l.Lock(ctx); !errors.Is(err, bus.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want %v, got %v", bus.ErrTimeout, err)
		}
		drop(t, g)
		if err := g.Release(testContext(t)); !errors.Is(err, atomic.ErrLost) {
			t.Errorf("want %v of a second release, got %v", atomic.ErrLost, err)
		}
		wantNothing(t, c)
	})
}

// TestLockNames: no two names are the same lock, and what is no name is refused.
func TestLockNames(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	s := openSession(t, c)
	var grants []*atomic.Grant
	for _, name := range []string{"a", "a.b", "a/b", "a b", "a\x00b", "a\x00", "1:a", "a:1", "a:00000000000000000001", "é", "*", ">", strings.Repeat("n", atomic.MaxName-1)} {
		grants = append(grants, hold(t, s, name), hold(t, s, "r"+name, atomic.Shared()))
	}
	for _, name := range []string{"", "\xff", strings.Repeat("n", atomic.MaxName+1)} {
		if _, err := atomic.NewLock(s, name); !errors.Is(err, atomic.ErrInvalidName) || bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("%q: want %v, got %v", name, atomic.ErrInvalidName, err)
		}
	}
	for _, g := range grants {
		drop(t, g)
	}
	wantNothing(t, c)
}

// TestLockLostAnswer: what was withdrawn is not granted, whether its request
// came before the withdrawal or comes behind it.
func TestLockLostAnswer(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c, ctx := bed.Direct(), testContext(t)
	s, other := openSession(t, c), openSession(t, c)
	if granted, err := atomic.LateLock(ctx, s, "l"); granted || err != nil {
		t.Errorf("want a late request to come to nothing, got %v, %v", granted, err)
	}
	must(t, atomic.LostAnswer(ctx, s, "l"))
	must(t, atomic.LostAnswer(ctx, s, "l", atomic.Shared()))
	g := hold(t, other, "l")
	must(t, atomic.LostAnswer(ctx, s, "l"))
	must(t, atomic.LostAnswer(ctx, s, "l", atomic.Shared()))
	drop(t, g)
	wantNothing(t, c)
}

// TestLockMany: more readers than one transaction calls are all called.
func TestLockMany(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Direct()
	s := openSession(t, c)
	l, g := newLock(t, s, "l"), hold(t, openSession(t, c), "l")
	var line []*queued
	for range atomic.GrantsPerTurn + 200 {
		line = append(line, enqueue(t, c, locking(l, atomic.Shared())))
	}
	drop(t, g)
	for _, q := range line {
		q.granted()
	}
	must(t, s.Close()) // more than one transaction settles
	next := enqueue(t, c, locking(newLock(t, openSession(t, c), "l")))
	drop(t, next.granted())
	wantNothing(t, c)
}

// TestLockRestart: the line outlives the host, in its order.
func TestLockRestart(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	g := hold(t, openSession(t, c), "l")
	var line []*queued
	for range 4 {
		line = append(line, enqueue(t, c, locking(newLock(t, openSession(t, c), "l"))))
	}
	bed.Restart()
	line[1].cancel()
	line[1].refused(context.Canceled)
	for _, i := range []int{0, 2, 3} {
		drop(t, g)
		if g = line[i].granted(); !held(t, c, g) {
			t.Errorf("want the grant of %d held, got it not", i)
		}
		bed.Restart()
	}
	drop(t, g)
	wantNothing(t, c)
}

// TestLockEnding: a session that has more than one transaction settles is no
// owner from the first on: what is released meanwhile passes over its places.
func TestLockEnding(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Direct()
	g, s := hold(t, openSession(t, c), "l"), openSession(t, c)
	var dead []*queued
	for range atomic.GrantsPerTurn + 100 {
		dead = append(dead, enqueue(t, c, locking(newLock(t, s, "l"))))
	}
	next := enqueue(t, c, locking(newLock(t, openSession(t, c), "l")))
	end, err := bus.Marshal(engine.EndOwner{ID: s.ID()})
	must(t, err)
	verb, release, err := g.ReleaseRequest()
	must(t, err)
	answers := make(chan *bus.Response, 2)
	e := bed.Host().Engine()
	e.Submit("local", "owner.end", &bus.Request{Body: end}, func(r *bus.Response) { answers <- r })
	e.Submit("local", verb, &bus.Request{Body: release}, func(r *bus.Response) { answers <- r })
	released := <-answers
	if last := <-answers; last.Revision > released.Revision {
		released = last
	}
	if got := next.granted(); released.Error != nil || got.Fence() != released.Revision {
		t.Errorf("want it granted by the release %+v, got %d", released, got.Fence())
	}
	for _, q := range dead {
		q.refused(atomic.ErrNoOwner)
	}
}
