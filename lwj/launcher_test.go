package lwj

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// J01.
func TestLauncherTransitions(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	m := monitor(t, h, EventOptions{})
	l := launcher(t, h.conn, LauncherConfig{Host: "here"})
	j := start(t, l, NewSpec("true"), RunOptions{})
	wantPath(t, plainRun, lifes(t, m, 1)[j.ID()])
	r := ended(t, j)
	wantEqual(t, "state", Complete, r.State)
	wantEqual(t, "exit code", 0, r.ExitCode)
	info := h.show(j.ID())
	wantEqual(t, "host", "here", info.Host)
	wantEqual(t, "exit code in the store", 0, *info.State.Detail.ExitCode)
}

// J02.
func TestLauncherOverlapping(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	m := monitor(t, h, EventOptions{})
	l := launcher(t, h.conn, LauncherConfig{})
	for range 3 { // back to back
		ended(t, start(t, l, NewSpec("true"), RunOptions{}))
	}
	for range 20 { // in lock-step with the monitor
		j := start(t, l, NewSpec("true"), RunOptions{})
		ended(t, j)
	}
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if j, err := l.Run(testContext(t), NewSpec("true"), RunOptions{}); err != nil {
				t.Error(err)
			} else if _, err := j.Wait(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
	all := lifes(t, m, 223)
	wg.Wait()
	wantEqual(t, "jobs", 223, len(all))
	for id, got := range all {
		if strings.Join(got, " ") != strings.Join(plainRun, " ") {
			t.Errorf("job %d: want %v, got %v", id, plainRun, got)
		}
	}
}

// J04, J05.
func TestLauncherEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{Grace: time.Minute})
	limited := NewSpec("sleep", "60")
	limited.TimeLimit = 50 * time.Millisecond
	highest := sh("exit $LWJ_TASK")
	highest.Tasks = 4
	fast := sh(`[ $LWJ_TASK = 1 ] && exit 3; exec sleep 60`)
	fast.Tasks, fast.FailFast = 3, true
	nowhere := NewSpec("true")
	nowhere.Dir = "/no/such/directory"
	for _, c := range []struct {
		name         string
		spec         Spec
		state        State
		reason       string
		code, signal int
		last         string
	}{
		{"complete", NewSpec("true"), Complete, "", 0, 0, "running→complete"},
		{"no such command", NewSpec("/no/such/command"), Failed, ReasonExec, 127, 0, "starting→failed"},
		{"not executable", NewSpec("/"), Failed, ReasonExec, 126, 0, "starting→failed"},
		{"no such directory", nowhere, Failed, ReasonExec, 126, 0, "starting→failed"},
		{"exit", sh("exit 7"), Failed, ReasonExit, 7, 0, "running→failed"},
		{"signal", sh("kill -9 $$"), Failed, ReasonSignal, 137, 9, "running→failed"},
		{"time limit", limited, Failed, ReasonTimeout, 124, 0, "running→failed"},
		{"highest of the tasks", highest, Failed, ReasonExit, 3, 0, "running→failed"},
		{"fail fast", fast, Failed, ReasonExit, 3, 0, "running→failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := start(t, l, c.spec, RunOptions{})
			r := ended(t, j)
			wantEqual(t, "state", c.state, r.State)
			wantEqual(t, "reason", c.reason, r.Detail.Reason)
			wantEqual(t, "exit code", c.code, r.ExitCode)
			wantEqual(t, "signal", c.signal, r.Detail.Signal)
			got := lifes(t, monitor(t, h, EventOptions{IDs: []uint64{j.ID()}}), 1)[j.ID()]
			wantEqual(t, "last transition", c.last, got[len(got)-1])
			info := h.show(j.ID())
			wantEqual(t, "exit code in the store", c.code, *info.State.Detail.ExitCode)
			if c.reason == ReasonExec && r.Detail.Error == "" {
				t.Error("want an error that says why")
			}
		})
	}
}

func TestLauncherTimeLimitOfTheDeaf(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{Grace: 50 * time.Millisecond})
	spec := sh(`trap "" TERM; while :; do sleep 1; done`)
	spec.TimeLimit = 50 * time.Millisecond
	r := ended(t, start(t, l, spec, RunOptions{}))
	wantEqual(t, "reason", ReasonTimeout, r.Detail.Reason)
	wantEqual(t, "exit code", ExitTimeout, r.ExitCode)
}

func TestLauncherCancel(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	const patient, deaf = `trap "exit 0" TERM; echo up; while :; do sleep 0.05; done`, `trap "" TERM; echo up; while :; do sleep 0.05; done`
	for _, c := range []struct {
		name, script string
		cancel       func(j *Job) error
	}{
		{"asked at the host", patient, func(j *Job) error { return one(h.client.Cancel(testContext(t), time.Minute, j.ID())) }},
		{"killed after the grace", deaf, func(j *Job) error { return one(h.client.Cancel(testContext(t), time.Millisecond, j.ID())) }},
		{"from here", patient, func(j *Job) error { j.Cancel(time.Minute); return nil }},
		{"the second one kills", deaf, func(j *Job) error { j.Cancel(time.Minute); j.Cancel(0); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := newPrinted()
			j := start(t, l, sh(c.script), RunOptions{Stdout: out})
			out.next(t)
			must(t, c.cancel(j))
			r := ended(t, j)
			wantEqual(t, "state", Cancelled, r.State)
			wantEqual(t, "reason", ReasonUser, r.Detail.Reason)
			wantEqual(t, "exit code", ExitCancelled, r.ExitCode)
			wantEqual(t, "state in the store", Cancelled, h.show(j.ID()).State.State)
		})
	}
}

func TestLauncherCancelBeforeProcesses(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	for range maxStarts { // nobody's turn comes
		l.starts <- struct{}{}
	}
	j := start(t, l, NewSpec("true"), RunOptions{})
	_, err := h.client.Wait(testContext(t), Starting, j.ID())
	must(t, err)
	must(t, one(h.client.Cancel(testContext(t), 0, j.ID())))
	wantEqual(t, "state", Cancelled, ended(t, j).State)
	m := monitor(t, h, EventOptions{})
	wantPath(t, []string{"null→reserved", "reserved→starting", "starting→cancelled"}, lifes(t, m, 1)[j.ID()])
	for range maxStarts {
		<-l.starts
	}
}

func TestLauncherSignal(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	out := newPrinted()
	j := start(t, l, sh(`trap "echo usr1" USR1; trap "echo usr2; exit 5" USR2; echo up; while :; do sleep 0.02; done`), RunOptions{Stdout: out})
	out.next(t)
	must(t, one(h.client.Signal(testContext(t), int(syscall.SIGUSR1), j.ID())))
	wantEqual(t, "first signal", "usr1", out.next(t))
	must(t, j.Signal(syscall.SIGUSR2))
	wantEqual(t, "second signal", "usr2", out.next(t))
	wantEqual(t, "exit code", 5, ended(t, j).ExitCode)
	if err := j.Signal(0); bus.CodeOf(err) != bus.CodeUsage {
		t.Errorf("want a usage error, got %v", err)
	}
}

func TestLauncherEnvironment(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{Dir: "/data", Environ: []string{"PATH=/bin:/usr/bin", "LWJ_SERVER=x", "LWJ_CONTEXT=y", "A=1", "B=1"}})
	spec := sh(`env | grep -E '^(LWJ_|A=|B=)' | sort`)
	spec.Tasks, spec.Env = 2, []string{"B=2"}
	out := [2]*printed{newPrinted(), newPrinted()}
	j := start(t, l, spec, RunOptions{OnOutput: func(task int, _ string, data []byte) { out[task].Write(data) }})
	ended(t, j)
	for task, p := range out {
		want := fmt.Sprintf("A=1 B=2 LWJ_ATTEMPT=1 LWJ_DIR=/data LWJ_EPOCH=1 LWJ_HOST=never LWJ_JOBID=%d LWJ_NAMESPACE=lwj LWJ_NTASKS=2 LWJ_TASK=%d", j.ID(), task)
		var got []string
		for range strings.Fields(want) {
			got = append(got, p.next(t))
		}
		wantEqual(t, "environment", want, strings.Join(got, " "))
	}
}

func TestLauncherRefuses(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	for name, change := range map[string]func(*Spec){
		"retries":       func(s *Spec) { s.Retries = 1 },
		"delay":         func(s *Spec) { s.Delay = time.Second },
		"dedup":         func(s *Spec) { s.Dedup = "x" },
		"machine":       func(s *Spec) { s.Machine = DefaultMachine() },
		"empty command": func(s *Spec) { s.Command = nil },
	} {
		spec := NewSpec("true")
		change(&spec)
		if _, err := l.Run(testContext(t), spec, RunOptions{}); bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("%s: want a usage error, got %v", name, err)
		}
	}
	wantEqual(t, "jobs in the store", uint64(0), mustLast(t, h))
	for name, cfg := range map[string]LauncherConfig{"name": {Name: "a.b"}, "lease": {Lease: time.Millisecond}, "grace": {Grace: -1}} {
		if _, err := NewLauncher(testContext(t), h.conn, cfg); bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("%s: want a usage error, got %v", name, err)
		}
	}
}

func mustLast(t testing.TB, h *testHost) uint64 {
	t.Helper()
	id, err := lastID(h.engine.Snapshot())
	must(t, err)
	return id
}

func TestLauncherClose(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l, err := NewLauncher(testContext(t), h.conn, LauncherConfig{})
	must(t, err)
	out := newPrinted()
	j := start(t, l, sh("echo up; exec sleep 60"), RunOptions{Stdout: out})
	out.next(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := l.Close(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantEqual(t, "state", Cancelled, ended(t, j).State)
	wantEqual(t, "state in the store", Cancelled, h.show(j.ID()).State.State)
	if _, err := l.Run(testContext(t), NewSpec("true"), RunOptions{}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
	if h.engine.Snapshot().Get("_owner", l.ID()) != nil {
		t.Error("want the owner's registration to be gone")
	}
}
