package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// helperEnv makes the test binary run as one of helpers.
const (
	helperEnv    = "PROC_TEST_HELPER"
	helperNoInit = "noinit" // a program that does not call Init
)

func helpers() map[string]func() int {
	return map[string]func() int{"launcher": helperLauncher, "tied": helperTied, "many": helperMany, helperNoInit: helperWithoutInit}
}

// escape leaves a daemon in a session of its own, without its parent, and goes
// on. It prints the daemon's pid.
const escape = `setsid sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!'; `

// helperLauncher starts a group and prints all of its pids, then waits.
func helperLauncher() int {
	lines := make(chan string, 8)
	spec := Spec{Command: sh(escape + "(sleep 1000 & echo $!); echo $$; exec sleep 1000"), Env: os.Environ(), Tasks: 2}
	os.Unsetenv(helperEnv)
	g, err := Start(context.Background(), spec, func(ev Event) {
		if ev.Kind == Output {
			lines <- string(ev.Data)
		}
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	text := fmt.Sprintln(g.proc.Pid)
	for strings.Count(text, "\n") < 7 {
		text += <-lines
	}
	fmt.Print(text)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// helperTied starts a task at once and one that was held, and prints the pids
// of the supervisors and of the tasks.
func helperTied() int {
	for _, held := range []bool{false, true} {
		started := make(chan int, 1)
		g, err := Start(context.Background(), Spec{Command: []string{"/bin/sleep", "1000"}, Tasks: 1, Held: held}, func(ev Event) {
			if ev.Kind == Started {
				started <- ev.Pid
			}
		})
		if err != nil || g.Release() != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Printf("%d\n%d\n", g.proc.Pid, <-started)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func helperWithoutInit() int {
	_, err := Start(context.Background(), Spec{Command: []string{"true"}, Tasks: 1}, func(Event) {})
	fmt.Println(err)
	return 0
}

const manyGroups = 200

// helperMany runs manyGroups groups at once and prints the number of threads
// and, when all have ended, of children.
func helperMany() int {
	started, groups := make(chan struct{}, manyGroups), []*Group{}
	for range manyGroups {
		g, err := Start(context.Background(), Spec{Command: []string{"/bin/sleep", "1000"}, Tasks: 1}, func(ev Event) {
			if ev.Kind == Started {
				started <- struct{}{}
			}
		})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		groups = append(groups, g)
	}
	for range groups {
		<-started
	}
	atRest := threads()
	for _, g := range groups {
		g.Stop(waitTime)
	}
	for _, g := range groups {
		<-g.Done()
	}
	fmt.Println(atRest, threads(), len(children()))
	return 0
}

func threads() int {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	return len(tasks)
}

// helper runs the test binary as name; its output is read line by line.
func helper(t *testing.T, name string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// readPids reads n pids of living processes.
func readPids(t *testing.T, lines *bufio.Scanner, n int) (pids []int) {
	t.Helper()
	for len(pids) < n && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		if err = syscall.Kill(pid, 0); err != nil {
			t.Fatalf("process %d: %v", pid, err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != n {
		t.Fatalf("want %d pids, got %v", n, pids)
	}
	return pids
}

// awaitGone waits until no process has pid.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, syscall.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(waitTime.Milliseconds()))
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("process %d is alive after %v (%v)", pid, waitTime, err)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return
	}
}
