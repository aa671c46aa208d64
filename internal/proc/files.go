package proc

import (
	"fmt"
	"os"
	"syscall"
)

// The descriptors a supervisor and a held task are started with.
const (
	controlFD       = 3 // supervisor: the socket to the launcher; held task: to the supervisor
	stdinFD         = 4 // supervisor: read end of task 0's standard input, if any
	supervisorFiles = 5
)

// closeOnExecUpTo marks the descriptors from first to before end.
func closeOnExecUpTo(first, end int) {
	for fd := first; fd < end; fd++ {
		syscall.CloseOnExec(fd)
	}
}

// pollable makes a file of fd whose reads and writes wait in the poller: no
// thread blocks in them. It owns fd.
func pollable(fd int, name string) (*os.File, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// readPipe returns a pipe to read here and to write in a child.
func readPipe(name string) (r *os.File, w int, err error) {
	fd, w, err := pipe()
	if err != nil {
		return nil, -1, err
	}
	if r, err = pollable(fd, name); err != nil {
		syscall.Close(w)
	}
	return r, w, err
}

// writePipe returns a pipe to write here and to read in a child.
func writePipe(name string) (r int, w *os.File, err error) {
	r, fd, err := pipe()
	if err != nil {
		return -1, nil, err
	}
	if w, err = pollable(fd, name); err != nil {
		syscall.Close(r)
	}
	return r, w, err
}

// connect returns a socket pair, one end for here and one for a child.
func connect(name string) (here *os.File, child int, err error) {
	fd, child, err := socketpair()
	if err != nil {
		return nil, -1, err
	}
	if here, err = pollable(fd, name); err != nil {
		syscall.Close(child)
	}
	return here, child, err
}
