package proc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done")})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" })
	g.Stop(waitTime)
	awaitDone(t, g)
	if exits := r.of(Exited); len(exits) != 1 || exits[0].Code != 3 || r.output(0, Stdout) != "up\nbye\n" {
		t.Errorf("want exit 3 and a bye, got %+v, %q", exits, r.output(0, Stdout))
	}
}

func TestStopOfTheDeaf(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("trap '' TERM; echo up; while :; do sleep 1000; done"), Tasks: 2})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" && r.output(1, Stdout) != "" })
	begin := time.Now()
	g.Stop(time.Hour)
	g.Stop(200 * time.Millisecond) // the earliest end counts
	g.Stop(time.Hour)
	awaitDone(t, g)
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("want a grace of 200ms, got %v", took)
	}
	for _, ev := range r.of(Exited) {
		if ev.Code != 137 || ev.Signal != 9 {
			t.Errorf("want signal 9, got %+v", ev)
		}
	}
}

// Stop reaches a task that was stopped by SIGSTOP.
func TestStopOfTheStopped(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" })
	if err := g.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g.Stop(waitTime)
	awaitDone(t, g)
	if exits := r.of(Exited); len(exits) != 1 || exits[0].Code != 3 {
		t.Errorf("want exit 3, got %+v", exits)
	}
}

func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		g, r := start(t, Spec{Command: []string{"sleep", "1000"}, Tasks: 50, Held: held})
		g.Stop(waitTime)
		awaitDone(t, g)
		exits := r.of(Exited)
		if len(exits) != 50 {
			t.Fatalf("held %v: want 50 exits, got %d", held, len(exits))
		}
		for _, ev := range exits {
			if ev.Signal != 15 || (ev.Pid == 0) != strings.Contains(ev.Err, "before it started") {
				t.Errorf("want signal 15, got %+v", ev)
			}
		}
	}
}

func TestSignal(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done"), Tasks: 2})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" && r.output(1, Stdout) != "" })
	if err := g.Signal(0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("want %v, got %v", syscall.EINVAL, err)
	}
	if err := g.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, g)
	for _, ev := range r.of(Exited) {
		if ev.Code != 9 {
			t.Errorf("want code 9, got %+v", ev)
		}
	}
}

func TestTwiceAtOnceAndAfterTheEnd(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: []string{"sleep", "1000"}, Tasks: 3})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(g.Kill)
		wg.Go(func() { g.Stop(time.Second) })
		wg.Go(func() { _ = g.Signal(syscall.SIGTERM) })
		wg.Go(func() { _ = g.Release() })
	}
	wg.Wait()
	awaitDone(t, g)
	if len(r.of(Exited)) != 3 || len(r.of(Done)) != 1 {
		t.Errorf("want 3 exits and one end, got %+v", r.events)
	}
	g.Kill()
	g.Stop(0)
	if err := errors.Join(g.Release(), g.Signal(syscall.SIGTERM)); !errors.Is(err, ErrEnded) {
		t.Errorf("want %v, got %v", ErrEnded, err)
	}
	if got := g.Pids(); got[0]+got[1]+got[2] != 0 {
		t.Errorf("want no pids, got %v", got)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	r := newRecorder()
	g, err := Start(ctx, Spec{Command: []string{"/bin/sleep", "1000"}, Tasks: 1}, r.handle)
	if err != nil {
		t.Fatal(err)
	}
	r.awaitKind(t, Started, 1)
	cancel()
	awaitDone(t, g)
	if exits := r.of(Exited); len(exits) != 1 || exits[0].Signal != 9 {
		t.Errorf("want signal 9, got %+v", exits)
	}
	if _, err = Start(ctx, Spec{Command: []string{"true"}, Tasks: 1}, r.handle); !errors.Is(err, context.Canceled) {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
}

// The handler may call every method.
func TestMethodsInHandler(t *testing.T) {
	t.Parallel()
	r, ready := newRecorder(), make(chan *Group, 1)
	g, err := Start(context.Background(), Spec{Command: []string{"/bin/sleep", "1000"}, Tasks: 2, Held: true}, func(ev Event) {
		r.handle(ev)
		if ev.Kind != Held {
			return
		}
		g := <-ready
		_ = g.Release()
		_ = g.Signal(syscall.SIGCONT)
		g.Kill()
		ready <- g
	})
	if err != nil {
		t.Fatal(err)
	}
	ready <- g
	awaitDone(t, g)
	if len(r.of(Exited)) != 2 {
		t.Errorf("want 2 exits, got %+v", r.events)
	}
}

func TestBadSpec(t *testing.T) {
	t.Parallel()
	if _, err := Start(context.Background(), Spec{Command: []string{"true"}, Tasks: 1}, nil); !errors.Is(err, ErrSpec) {
		t.Errorf("no handler: want %v, got %v", ErrSpec, err)
	}
	for name, spec := range map[string]Spec{
		"no command":  {Tasks: 1},
		"empty":       {Command: []string{""}, Tasks: 1},
		"no task":     {Command: []string{"true"}},
		"many tasks":  {Command: []string{"true"}, Tasks: MaxTasks + 1},
		"NUL":         {Command: []string{"a\x00b"}, Tasks: 1},
		"NUL in dir":  {Command: []string{"true"}, Dir: "\x00", Tasks: 1},
		"NUL in task": {Command: []string{"true"}, TaskEnv: func(int) []string { return []string{"\x00"} }, Tasks: 1},
		"too large":   {Command: []string{"true", strings.Repeat("x", MaxSpec)}, Tasks: 1},
	} {
		if _, err := Start(context.Background(), spec, func(Event) {}); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: want %v, got %v", name, ErrSpec, err)
		}
	}
}
