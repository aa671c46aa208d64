package faults_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/lwj"
)

const (
	cutJobs  = 2500 // of four transitions each
	cutBatch = 100  // jobs that make a transition in one request
	cutMost  = 40 * time.Millisecond

	killJobs    = 250
	killClients = 8
)

// course is the way of every job here.
func course() []lwj.State {
	return []lwj.State{lwj.Reserved, lwj.Starting, lwj.Running, lwj.Complete}
}

// witness follows all jobs and holds each to its course.
type witness struct {
	t    *testing.T
	at   map[uint64]int    // transitions seen of a job
	prev map[uint64]uint64 // revision of the newest
	last uint64
	seen int
}

func newWitness(t *testing.T) *witness {
	return &witness{t: t, at: map[uint64]int{}, prev: map[uint64]uint64{}}
}

// until reads events until n transitions were told.
func (w *witness) until(ctx context.Context, m *lwj.Monitor, n int) {
	w.t.Helper()
	for w.seen < n {
		ev, err := m.Next(ctx)
		if err != nil {
			w.t.Fatalf("after %d of %d transitions: %v", w.seen, n, err)
		}
		if !ev.CaughtUp {
			w.take(ev)
		}
	}
}

func (w *witness) take(ev *lwj.Event) {
	w.t.Helper()
	i, states := w.at[ev.Job], course()
	if i >= len(states) || ev.To != states[i] || i > 0 && ev.From != states[i-1] || ev.Previous != w.prev[ev.Job] || ev.Revision < w.last {
		w.t.Fatalf("job %d, transition %d: %s→%s at %d after %d (last %d)", ev.Job, i, ev.From, ev.To, ev.Revision, ev.Previous, w.last)
	}
	w.at[ev.Job], w.prev[ev.Job] = i+1, ev.Revision
	w.last = ev.Revision
	w.seen++
}

// TestJ09MonitorIsCut: a monitor whose connection is cut again and again tells
// 10,000 transitions, in order, once.
func TestJ09MonitorIsCut(t *testing.T) {
	t.Parallel()
	ctx, r, bed := testContext(t), random(t), natstest.New(t)
	p := newProxy(t, bed.Dir())
	m, err := lwj.NewClient(dial(t, p.dir, bus.Config{})).Events(ctx, lwj.EventOptions{})
	must(t, err)
	defer m.Close()
	working, stop := context.WithCancel(ctx)
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { stop(); ended <- struct{}{} }()
		if err := march(ctx, lwj.NewClient(bed.Conn())); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for working.Err() == nil {
			pass(working, r, cutMost)
			p.cut()
		}
	}()
	w := newWitness(t)
	w.until(ctx, m, cutJobs*len(course()))
	<-ended
	<-ended
	t.Logf("%d transitions through %d cuts", w.seen, p.cuts.Load())
}

// march makes cutJobs jobs and takes them along their course.
func march(ctx context.Context, c *lwj.Client) error {
	for range cutJobs / cutBatch {
		specs := make([]lwj.Spec, cutBatch)
		for i := range specs {
			specs[i] = lwj.NewSpec("true")
		}
		answer, err := c.SubmitAll(ctx, specs, lwj.External(lwj.Reserved))
		if err != nil {
			return err
		}
		for _, to := range course()[1:] {
			if err := advanceAll(ctx, c, answer.IDs, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func advanceAll(ctx context.Context, c *lwj.Client, ids []uint64, to lwj.State) error {
	items := make([]lwj.Advance, len(ids))
	for i, id := range ids {
		items[i] = lwj.Advance{ID: id, To: to, Epoch: 1}
	}
	results, err := c.Advance(ctx, items...)
	for _, res := range results {
		err = errors.Join(err, res.Err())
	}
	return err
}

// TestJ10HostIsKilled: the host is killed in the middle of 1,000 transitions
// and another process takes over: what was acknowledged is there, and a monitor
// in a third goes on without a gap.
func TestJ10HostIsKilled(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	first := spawn(t, roleJoin, dir)
	first.said(saidReady)
	second := spawn(t, roleJoin, dir)
	second.said(saidReady)
	m, err := lwj.NewClient(dial(t, dir, bus.Config{})).Events(ctx, lwj.EventOptions{})
	must(t, err)
	defer m.Close()

	conn := dial(t, dir, bus.Config{RequestTimeout: patience})
	done := make(chan error, killClients)
	for range killClients {
		go func() { done <- walk(ctx, lwj.NewClient(conn), killJobs/killClients) }()
	}
	total := killJobs / killClients * killClients * len(course())
	w := newWitness(t)
	w.until(ctx, m, total/3+r.IntN(total/3))
	first.kill()
	w.until(ctx, m, total)
	for range killClients {
		must(t, <-done)
	}
	list, _, err := lwj.NewClient(conn).List(ctx, lwj.ListOptions{States: []lwj.State{lwj.Complete}})
	if err != nil || len(list)*len(course()) != total {
		t.Fatalf("want %d complete jobs, got %d (%v)", total/len(course()), len(list), err)
	}
	second.kill()
	hosted(t, dir)
}

// walk takes n jobs along their course, one transition at a time. An error of
// any of them ends it: each was acknowledged, or is sent again by the call.
func walk(ctx context.Context, c *lwj.Client, n int) error {
	for range n {
		id, err := c.Submit(ctx, lwj.NewSpec("true"), lwj.External(lwj.Reserved))
		if err != nil {
			return err
		}
		for _, to := range course()[1:] {
			if err := c.AdvanceOne(ctx, id, to, 1, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
