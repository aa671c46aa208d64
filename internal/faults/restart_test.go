package faults_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const (
	inFlight   = 1024 // writes at once
	restartAt  = 300  // of them are seen when the host is restarted
	manyStarts = 200
	startMost  = 5 * time.Second // of one start and stop
)

// register makes an owner that never renews its lease.
func register(ctx context.Context, t *testing.T, c *bus.Conn, id string, ttl time.Duration) uint64 {
	t.Helper()
	var o engine.OwnerAnswer
	must(t, c.Call(ctx, "owner.register", engine.RegisterOwner{ID: id, TTL: ttl.Milliseconds()}, &o))
	return o.Token
}

// everyState makes one job in each state and returns what each is in.
func everyState(ctx context.Context, t *testing.T, c *bus.Conn, owner string, token uint64) map[uint64]lwj.State {
	t.Helper()
	client, want := lwj.NewClient(c), map[uint64]lwj.State{}
	for _, path := range [][]lwj.State{
		{lwj.Reserved}, {lwj.Reserved, lwj.Starting}, {lwj.Reserved, lwj.Starting, lwj.Running},
		{lwj.Reserved, lwj.Starting, lwj.Running, lwj.Complete}, {lwj.Reserved, lwj.Failed}, {lwj.Reserved, lwj.Cancelled},
	} {
		id, err := client.Submit(ctx, lwj.NewSpec("true"), lwj.Start(owner, token))
		must(t, err)
		for _, to := range path[1:] {
			must(t, client.AdvanceOne(ctx, id, to, 1, nil))
		}
		want[id] = path[len(path)-1]
	}
	id, err := client.Submit(ctx, lwj.NewSpec("true"))
	must(t, err)
	want[id] = lwj.Submitted
	return want
}

// TestJ22Restart restarts a host, in order and by kill -9, with jobs in every
// state: they are in the same states, ids go on growing, and the jobs of a dead
// launcher settle when its lease has ended.
func TestJ22Restart(t *testing.T) {
	t.Parallel()
	t.Run("in order", func(t *testing.T) {
		t.Parallel()
		bed := natstest.New(t)
		restartWithJobs(t, bed.Conn(), bed.Restart)
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		hosts := newRelay(t, dir)
		restartWithJobs(t, dial(t, dir, bus.Config{}), func() { hosts.crash(); hosts.recovered() })
		hosts.stop()
		hosted(t, dir)
	})
}

func restartWithJobs(t *testing.T, c *bus.Conn, restart func()) {
	ctx, client := testContext(t), lwj.NewClient(c)
	want := everyState(ctx, t, c, "alive", register(ctx, t, c, "alive", time.Hour))
	dead := register(ctx, t, c, "dead", engine.MinTTL)
	lost, err := client.Submit(ctx, lwj.NewSpec("true"), lwj.Start("dead", dead))
	must(t, err)
	again := lwj.NewSpec("true")
	again.Retries = 1
	back, err := client.Submit(ctx, again, lwj.Start("dead", dead))
	must(t, err)
	restart()
	for id, state := range want {
		info, err := client.Show(ctx, id)
		if err != nil || info.State.State != state {
			t.Errorf("job %d: want %s, got %+v (%v)", id, state, info, err)
		}
	}
	next, err := client.Submit(ctx, lwj.NewSpec("true"))
	if err != nil || next <= back {
		t.Errorf("want an id above %d, got %d (%v)", back, next, err)
	}
	settled(ctx, t, client, lost, lwj.Failed)
	settled(ctx, t, client, back, lwj.Submitted)
	if _, err := client.Wait(ctx, lwj.AnyFinal, lost); err != nil {
		t.Error(err)
	}
}

// settled waits until a job whose owner is gone is in state, reason lost.
func settled(ctx context.Context, t *testing.T, c *lwj.Client, id uint64, state lwj.State) {
	t.Helper()
	m, err := c.Events(ctx, lwj.EventOptions{IDs: []uint64{id}, Kinds: []lwj.Kind{lwj.KindState}})
	must(t, err)
	defer m.Close()
	for {
		ev, err := m.Next(ctx)
		must(t, err)
		if ev.CaughtUp || ev.To == lwj.Reserved || ev.To == lwj.Starting {
			continue
		}
		if ev.To != state || ev.Detail == nil || ev.Detail.Reason != lwj.ReasonLost {
			t.Fatalf("job %d: want %s, lost, got %+v", id, state, ev)
		}
		return
	}
}

// TestJ11PausedLauncher: a launcher that is stopped past its lease and goes on
// finds its transition refused; the job has one history.
func TestJ11PausedLauncher(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	client := lwj.NewClient(bed.Conn())
	owner := spawn(t, roleOwner, bed.Dir())
	var id uint64
	_, err := fmt.Sscan(owner.said("job"), &id)
	must(t, err)
	owner.signal(syscall.SIGSTOP)
	settled(ctx, t, client, id, lwj.Submitted)
	before, err := client.Show(ctx, id)
	must(t, err)
	owner.signal(syscall.SIGCONT)
	owner.say("advance")
	if code := bus.Code(owner.said("code")); code != bus.CodeFenced {
		t.Errorf("want the old owner fenced, got %q", code)
	}
	after, err := client.Show(ctx, id)
	if err != nil || after.Revision != before.Revision || after.State.State != lwj.Submitted {
		t.Errorf("want job %d at revision %d, got %+v (%v)", id, before.Revision, after, err)
	}
}

// TestK21ThroughRestart: 1,024 writes are in flight at once and the host is
// restarted in their middle: all are done, once, and a watch shows them in the
// order of the log.
func TestK21ThroughRestart(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	b := open(t, bed.Conn())
	w, err := b.Watch(ctx)
	must(t, err)
	defer w.Close()
	type done struct {
		key      string
		revision uint64
		err      error
	}
	all := make(chan done, inFlight)
	for i := range inFlight {
		go func() {
			key := fmt.Sprint("k", i)
			rev, err := b.Put(ctx, key, text(i))
			all <- done{key, rev, err}
		}()
	}
	seen, last := map[string]uint64{}, uint64(0)
	for len(seen) < inFlight {
		e, err := w.Next(ctx)
		must(t, err)
		if e.Entry == nil {
			continue
		}
		if e.Revision <= last || seen[e.Entry.Key] != 0 {
			t.Fatalf("%s at %d comes after %d, seen %d", e.Entry.Key, e.Revision, last, seen[e.Entry.Key])
		}
		last, seen[e.Entry.Key] = e.Revision, e.Revision
		if len(seen) == restartAt {
			bed.Restart()
		}
	}
	for range inFlight {
		if d := <-all; d.err != nil || seen[d.key] != d.revision {
			t.Errorf("%s: acknowledged at %d, watched at %d (%v)", d.key, d.revision, seen[d.key], d.err)
		}
	}
}

// TestManyStarts starts and stops a host on one directory again and again: it
// stays consistent, and quick.
func TestManyStarts(t *testing.T) {
	t.Parallel()
	ctx, dir := testContext(t), t.TempDir()
	took := make([]time.Duration, 0, manyStarts)
	for i := range manyStarts {
		began := time.Now()
		startOnce(ctx, t, dir, i)
		took = append(took, time.Since(began))
		if took[i] > startMost {
			t.Fatalf("start and stop %d took %v", i, took[i])
		}
	}
	hosted(t, dir)
	t.Logf("%d starts and stops: the first in %v, the last in %v", manyStarts, took[0], took[manyStarts-1])
}

// startOnce starts a host, makes the write after write i, and stops it.
func startOnce(ctx context.Context, t *testing.T, dir string, i int) {
	t.Helper()
	h, err := host.Start(ctx, host.Config{Dir: dir})
	must(t, err)
	defer func() { must(t, h.Close()) }()
	c, err := h.Conn()
	must(t, err)
	defer c.Close()
	b, err := kvbucket.Open(c, "kv")
	must(t, err)
	if _, err := b.Put(ctx, "n", text(i)); err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(ctx, "n")
	if err != nil || e.Version != uint64(i+1) || string(e.Value) != string(text(i)) {
		t.Fatalf("start %d: got %+v (%v)", i, e, err)
	}
}
