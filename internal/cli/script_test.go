package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/bus/embedded"
)

// patience is how long a script waits for what must come.
const patience = 60 * time.Second

// tick is how often it looks.
const tick = 10 * time.Millisecond

// TestScripts runs the command lines of testdata, each script in a data
// directory of its own. Beside testscript's own commands there are
//
//	code N CMD…           runs CMD and wants exit code N
//	eventually N CMD…     runs CMD until its exit code is N
//	start NAME CMD…       starts CMD, its output in NAME.out and NAME.err
//	send NAME SIGNAL      sends it a signal
//	ended NAME N          waits for its end and wants exit code N
//	await FILE REGEXP     waits until the file has such text
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", Setup: setup, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "eventually": eventually, "start": start, "send": send, "ended": ended, "await": await,
		},
	})
}

// processes are what a script has started.
type processes map[string]*exec.Cmd

type processesKey struct{}

func setup(env *testscript.Env) error {
	dir := filepath.Join(env.WorkDir, "state")
	env.Setenv("LWJ_DIR", dir)
	env.Setenv("HOME", env.WorkDir)
	started := processes{}
	env.Values[processesKey{}] = started
	env.Defer(func() {
		for _, c := range started {
			c.Process.Kill() // it may have ended
			c.Wait()
		}
		awaitNoHost(dir)
	})
	return nil
}

// awaitNoHost returns when nobody hosts dir any more: what was detached ends
// after its job.
func awaitNoHost(dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if l, err := embedded.WaitLock(ctx, dir); err == nil {
		l.Close()
	}
}

func code(ts *testscript.TestScript, _ bool, args []string) {
	want := number(ts, args[0])
	if got := exitOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("want exit code %d, got %d", want, got)
	}
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want := number(ts, args[0])
	until(ts, func() bool { return exitOf(ts, ts.Exec(args[1], args[2:]...)) == want })
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	c := exec.Command(path, args[2:]...)
	c.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "LWJ_DIR", "WORK", raceOptions} {
		c.Env = append(c.Env, name+"="+ts.Getenv(name))
	}
	c.Stdout, err = os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	c.Stderr, err = os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	ts.Check(c.Start())
	ts.Value(processesKey{}).(processes)[name] = c
}

func process(ts *testscript.TestScript, name string) *exec.Cmd {
	c := ts.Value(processesKey{}).(processes)[name]
	if c == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return c
}

func send(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(process(ts, args[0]).Process.Signal(unix.SignalNum("SIG" + args[1])))
}

func ended(ts *testscript.TestScript, _ bool, args []string) {
	c, want := process(ts, args[0]), number(ts, args[1])
	timer := time.AfterFunc(patience, func() { c.Process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	got := exitOf(ts, c.Wait())
	if got != want {
		ts.Fatalf("want exit code %d of %s, got %d\n%s%s", want, args[0], got, ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[1])
	until(ts, func() bool { return want.MatchString(ts.ReadFile(args[0])) })
}

// until looks until it is as wanted.
func until(ts *testscript.TestScript, so func() bool) {
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for !so() {
		if time.Now().After(deadline) {
			ts.Fatalf("it did not come within %v", patience)
		}
		<-ticker.C
	}
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// exitOf is the exit code of a command that has run; 128+n for signal n.
func exitOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		ts.Check(err)
	case exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	return exitSignal + int(exit.Sys().(syscall.WaitStatus).Signal())
}
