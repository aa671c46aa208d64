package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	lockKills = 4  // every other one is an orderly end
	lockCalls = 40 // turns of each client between two ends
	// lockHaste is within what a client that is in a hurry gives up.
	lockHaste = 20 * time.Millisecond
	lockLease = time.Minute // longer than any failover
)

// lockInput is one call about the lock, and lockOutput its answer.
type lockInput struct {
	client          int
	release, shared bool
}

type lockOutput struct {
	fence uint64
	none  bool // it was not to be had in time
}

// lockState is who has the lock.
type lockState struct {
	writer  int // client + 1; 0: none
	readers [linearClients]bool
	fence   uint64 // the highest that was granted
}

// locks is the model of a lock that one writer or several readers hold.
func locks() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return lockState{} },
		Step: func(state, in, out any) (bool, any) {
			return stepLock(state.(lockState), in.(lockInput), out.(lockOutput))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// stepLock tells whether a lock can answer so, and who has it then. Readers
// that are let in together have one fence.
func stepLock(s lockState, in lockInput, out lockOutput) (bool, any) {
	switch {
	case out.none:
		return true, s
	case in.release && in.shared:
		was := s.readers[in.client]
		s.readers[in.client] = false
		return was, s
	case in.release:
		was := s.writer == in.client+1
		s.writer = 0
		return was, s
	case in.shared:
		legal := s.writer == 0 && out.fence >= s.fence
		s.readers[in.client], s.fence = true, out.fence
		return legal, s
	}
	legal := s.writer == 0 && s.readers == [linearClients]bool{} && out.fence > s.fence
	s.writer, s.fence = in.client+1, out.fence
	return legal, s
}

// locker is one client of the history.
type locker struct {
	id   int
	lock *atomic.Lock
	rand *rand.Rand
}

// turn takes the lock, or gives up, and releases it.
func (l *locker) turn(ctx context.Context, r *recorder) error {
	in, began := lockInput{client: l.id, shared: l.rand.IntN(2) == 0}, time.Now()
	wait, cancel := ctx, context.CancelFunc(func() {})
	if l.rand.IntN(3) == 0 {
		wait, cancel = context.WithTimeout(ctx, time.Duration(l.rand.Int64N(int64(lockHaste))))
	}
	defer cancel()
	var opts []atomic.LockOption
	if in.shared {
		opts = append(opts, atomic.Shared())
	}
	g, err := l.lock.Lock(wait, opts...)
	if errors.Is(err, bus.ErrTimeout) {
		return nil
	}
	if err != nil {
		return err
	}
	r.add(l.id, in, lockOutput{fence: g.Fence()}, false, began)
	in.release, began = true, time.Now()
	if err := g.Release(ctx); err != nil {
		return err
	}
	r.add(l.id, in, lockOutput{}, false, began)
	return nil
}

func (l *locker) turns(ctx context.Context, r *recorder) error {
	for range lockCalls {
		if err := l.turn(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// dialSession opens a session that outlives the hosts.
func dialSession(t testing.TB, dir string) *kvbucket.Session {
	t.Helper()
	c := dial(t, dir, bus.Config{RequestTimeout: patience})
	s, err := kvbucket.OpenSession(testContext(t), c, kvbucket.SessionConfig{TTL: lockLease})
	must(t, err)
	t.Cleanup(s.Orphan)
	return s
}

// TestLockLinear: the turns of four clients at one lock, as readers and
// writers, some of whom give up, while hosts are killed or leave, have an order
// in which nobody has it beside a writer, under growing fences.
func TestLockLinear(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	history := &recorder{began: time.Now()}
	lockers := make([]*locker, linearClients)
	for i := range lockers {
		l, err := atomic.NewLock(dialSession(t, dir), "l")
		must(t, err)
		lockers[i] = &locker{id: i, lock: l, rand: rand.New(rand.NewPCG(r.Uint64(), 0))}
	}
	hosts.rounds(ctx, r, lockKills, hosts.inTurns, func(i int) error { return lockers[i].turns(ctx, history) })
	explain(t, locks(), history.ops)
}

// TestLockLinearFinds proves that the check can fail: two writers, a writer
// beside a reader, a fence that falls.
func TestLockLinearFinds(t *testing.T) {
	t.Parallel()
	write, read, leave := lockInput{}, lockInput{client: 1, shared: true}, lockInput{release: true}
	inexplicable(t, locks(), map[string][]porcupine.Operation{
		"two writers": {{Input: write, Output: lockOutput{fence: 1}}, {Input: lockInput{client: 1}, Output: lockOutput{fence: 2}}},
		"beside":      {{Input: read, Output: lockOutput{fence: 1}}, {Input: write, Output: lockOutput{fence: 2}}},
		"fence":       {{Input: write, Output: lockOutput{fence: 2}}, {Input: leave, Output: lockOutput{}}, {Input: write, Output: lockOutput{fence: 1}}},
	})
}

// TestLockTakeover: those who wait keep their order when the host is killed,
// before and between the grants.
func TestLockTakeover(t *testing.T) {
	t.Parallel()
	const waiters = 4
	ctx, dir := testContext(t), t.TempDir()
	hosts := newRelay(t, dir)
	type granted struct {
		i     int
		grant *atomic.Grant
		err   error
	}
	turns := make(chan granted, waiters+1)
	for i := range waiters + 1 {
		s := dialSession(t, dir)
		l, err := atomic.NewLock(s, "l")
		must(t, err)
		before, err := kvbucket.Revision(ctx, s.Conn())
		must(t, err)
		go func() { // ends with the lock; received below
			g, err := l.Lock(ctx)
			turns <- granted{i, g, err}
		}()
		must(t, kvbucket.WaitRevision(ctx, s.Conn(), before+1))
	}
	fence := uint64(0)
	for i := range waiters + 1 {
		got := <-turns
		must(t, got.err)
		if got.i != i || got.grant.Fence() <= fence {
			t.Fatalf("want the turn of %d under a fence above %d, got %d under %d", i, fence, got.i, got.grant.Fence())
		}
		fence = got.grant.Fence()
		if i%2 == 0 {
			hosts.crash()
			hosts.recovered()
		}
		must(t, got.grant.Release(ctx))
	}
	hosts.stop()
}
