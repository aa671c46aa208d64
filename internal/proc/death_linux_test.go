package proc

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A launcher killed by SIGKILL takes the tasks, their children and a daemon of
// another session with it.
func TestLauncherKilled(t *testing.T) {
	t.Parallel()
	cmd, lines := helper(t, "launcher")
	pids := readPids(t, lines, 7)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		awaitGone(t, pid)
	}
}

// The tasks of a killed supervisor die without the launcher, those that were
// held too: the tie to it holds through both execs.
func TestTasksTiedToSupervisor(t *testing.T) {
	t.Parallel()
	cmd, lines := helper(t, "tied")
	pids := readPids(t, lines, 4)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pids); i += 2 {
		if err := syscall.Kill(pids[i], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		awaitGone(t, pids[i+1])
	}
}

func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		g, r := start(t, Spec{Command: sh("sleep 1000 & echo $!; wait"), Tasks: 3, Held: held})
		var pids []int
		if held {
			r.awaitKind(t, Held, 3)
		} else {
			r.await(t, "output", func() bool { return r.output(0, Stdout) != "" })
			child, _ := strconv.Atoi(strings.TrimSpace(r.output(0, Stdout)))
			pids = append(pids, child)
			r.awaitKind(t, Started, 3)
		}
		pids = append(pids, g.Pids()...)
		if err := g.proc.Kill(); err != nil {
			t.Fatal(err)
		}
		awaitDone(t, g)
		exits := r.of(Exited)
		if len(exits) != 3 {
			t.Fatalf("want 3 exits, got %+v", r.events)
		}
		for _, ev := range exits {
			if ev.Code != 137 || !strings.Contains(ev.Err, "supervisor died: signal: killed") {
				t.Errorf("want 137, supervisor died; got %+v", ev)
			}
		}
		for _, pid := range pids {
			awaitGone(t, pid)
		}
	}
}

// A supervisor that somebody stopped is woken by Kill.
func TestSupervisorStopped(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: []string{"sleep", "1000"}})
	r.awaitKind(t, Started, 1)
	if err := g.proc.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	awaitDone(t, g)
}

// The terminal's signals do not end a supervisor, and tasks get them as usual.
func TestSupervisorSignalled(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("grep -E '^Sig(Ign|Blk)' /proc/self/status; exec sleep 1000")})
	r.await(t, "output", func() bool { return strings.Count(r.output(0, Stdout), "\n") == 2 })
	for _, line := range strings.Split(strings.TrimSpace(r.output(0, Stdout)), "\n") {
		if !strings.HasSuffix(line, "\t0000000000000000") {
			t.Errorf("want no signal ignored or blocked, got %q", line)
		}
	}
	if comm, _ := os.ReadFile("/proc/" + strconv.Itoa(g.proc.Pid) + "/comm"); string(comm) != supervisorName+"\n" {
		t.Errorf("want a process named %s, got %s", supervisorName, comm)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE} {
		if err := g.proc.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, g)
	if exits := r.of(Exited); len(exits) != 1 || exits[0].Signal != 2 || exits[0].Err != "" {
		t.Errorf("want signal 2, got %+v", exits)
	}
}

// A daemon that keeps the output open gets DrainTime, then it is killed.
func TestEscapedWithOutput(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("setsid sh -c 'sleep 1000 & echo $!'; echo end")})
	awaitDone(t, g)
	pid, rest, _ := strings.Cut(r.output(0, Stdout), "\n")
	if rest != "end\n" {
		t.Errorf("want the output whole, got %q", r.output(0, Stdout))
	}
	daemon, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	awaitGone(t, daemon)
	if exits := r.of(Exited); len(exits) != 1 || exits[0].Code != 0 {
		t.Errorf("want exit 0, got %+v", exits)
	}
}

// What a process left behind writes within DrainTime is output.
func TestEscapedWrites(t *testing.T) {
	t.Parallel()
	r := run(t, Spec{Command: sh("(sleep 0.1; echo late) & exit 0")})
	if got := r.output(0, Stdout); got != "late\n" {
		t.Errorf("want %q, got %q", "late\n", got)
	}
}

// A daemon that closed everything is killed at once.
func TestEscapedWithoutOutput(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh(escape + "exit 4")})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" })
	daemon, err := strconv.Atoi(strings.TrimSpace(r.output(0, Stdout)))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	awaitGone(t, daemon)
	if took := time.Since(begin); took >= DrainTime {
		t.Errorf("want less than %v, took %v", DrainTime, took)
	}
	awaitDone(t, g)
}

// Kill does not wait for a handler.
func TestKillWhileHandlerWaits(t *testing.T) {
	t.Parallel()
	var once sync.Once
	first, goOn := make(chan struct{}), make(chan struct{})
	g, err := Start(context.Background(), Spec{Command: sh("echo $$; exec cat /dev/zero"), Env: os.Environ(), Tasks: 1}, func(ev Event) {
		if ev.Kind == Output {
			once.Do(func() { close(first); <-goOn })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	<-first
	pid := g.Pids()[0]
	g.Kill()
	awaitGone(t, pid)
	close(goOn)
	awaitDone(t, g)
}

func TestManyGroups(t *testing.T) {
	t.Parallel()
	_, lines := helper(t, "many")
	if !lines.Scan() {
		t.Fatal("no answer")
	}
	f := bufio.NewScanner(strings.NewReader(lines.Text()))
	f.Split(bufio.ScanWords)
	var got []int
	for f.Scan() {
		n, err := strconv.Atoi(f.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		got = append(got, n)
	}
	t.Logf("threads, threads after, children after: %v", got)
	if got[0] > 32 || got[1] > 64 || got[2] != 0 {
		t.Errorf("want at most 32 and 64 threads and no child, got %v", got)
	}
}

func TestWithoutInit(t *testing.T) {
	t.Parallel()
	_, lines := helper(t, helperNoInit)
	if lines.Scan(); lines.Text() != ErrInit.Error() {
		t.Errorf("want %v, got %s", ErrInit, lines.Text())
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	pid, parent, err := parseStat([]byte("12 (a) b (c) S 7 1 1"))
	if pid != 12 || parent != 7 || err != nil {
		t.Errorf("want 12 and 7, got %d and %d, %v", pid, parent, err)
	}
	for _, bad := range []string{"", "12", "12 (", "12 ) (", "(x) S 1", "12 (x) S", "12 (x) S y"} {
		if _, _, err = parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}
