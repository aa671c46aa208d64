//go:build unix && !linux

package proc

import (
	"os"
	"syscall"
)

// What these systems lack: a task whose supervisor was killed by SIGKILL is
// killed by the launcher, by its process group; a process that left the group
// of its task (setsid) is not found and survives the group; the program's file
// must not be replaced while it starts groups.

func selfExe() (string, error) { return os.Executable() }

func taskAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func dieWith() error { return nil }

func adopt() error { return nil }

func setName(string) {}

func closeOnExec(first int) { closeOnExecUpTo(first, supervisorFiles) }

func pipe() (r, w int, err error) {
	var p [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err = syscall.Pipe(p[:]); err != nil {
		return 0, 0, err
	}
	syscall.CloseOnExec(p[0])
	syscall.CloseOnExec(p[1])
	return p[0], p[1], nil
}

func socketpair() (a, b int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, 0, err
	}
	syscall.CloseOnExec(p[0])
	syscall.CloseOnExec(p[1])
	return p[0], p[1], nil
}

// children is empty: only the groups of the tasks are known.
func children() []int { return nil }
