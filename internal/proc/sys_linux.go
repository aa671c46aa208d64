package proc

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// selfExe names the running program even after its file was replaced.
func selfExe() (string, error) { return "/proc/self/exe", nil }

// taskAttr is the process of a task: its own group, killed when the thread of
// the supervisor that started it ends.
func taskAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// dieWith ties the calling thread to its parent. Pdeathsig is a thread's, not
// a process's, and execve keeps that of the calling thread only.
func dieWith() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
}

// adopt makes this process the parent of every descendant that loses its own.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// setName sets what ps and top show.
func setName(name string) {
	// Only a name for people: nothing depends on it.
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}

// closeOnExec keeps every descriptor from first on out of what is executed.
func closeOnExec(first int) {
	if unix.CloseRange(uint(first), math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		closeOnExecUpTo(first, supervisorFiles) // before Linux 5.11
	}
}

func pipe() (r, w int, err error) {
	var p [2]int
	err = unix.Pipe2(p[:], unix.O_CLOEXEC)
	return p[0], p[1], err
}

func socketpair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return p[0], p[1], err
}

// children returns the pids of this process's children, the adopted ones too.
// It may miss one while others end: ask again until wait4 says there is none.
func children() []int {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	if len(files) == 0 {
		return childrenByStat()
	}
	var pids []int
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(f)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// childrenByStat is children for a kernel without CONFIG_PROC_CHILDREN.
func childrenByStat() []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		if pid, parent, err := parseStat(b); err == nil && parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parseStat reads "pid (comm) state ppid …"; comm may hold anything.
func parseStat(b []byte) (pid, parent int, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return 0, 0, errors.New("not a stat line")
	}
	rest := bytes.Fields(b[end+1:])
	if len(rest) < 2 {
		return 0, 0, errors.New("not a stat line")
	}
	if pid, err = strconv.Atoi(string(bytes.TrimSpace(b[:open]))); err != nil {
		return 0, 0, err
	}
	parent, err = strconv.Atoi(string(rest[1]))
	return pid, parent, err
}
