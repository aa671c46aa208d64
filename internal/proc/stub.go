package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// A held task is this program, waiting at the far end of a socket pair. It
// says stubReady, reads one byte (its end means: give up), and executes the
// command; the socket then closes by itself. When that fails it says
// stubFailed and the errno.
const (
	stubReady  byte = 'h'
	stubGo     byte = 'g'
	stubFailed byte = 'e'
)

// stubArgs is the argv of a held task that will execute file with command.
func stubArgs(file string, command []string) []string {
	return append([]string{taskName, file}, command...)
}

// runStub is the whole life of a held task. It returns only when the command
// was not executed.
func runStub() int {
	runtime.LockOSThread() // dieWith is of the thread that calls Exec
	closeOnExec(controlFD)
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, taskName+": not started by a supervisor")
		return CodeNotExec
	}
	errno := waitAndExec(os.Args[1], os.Args[2:])
	report := binary.BigEndian.AppendUint32([]byte{stubFailed}, uint32(errno))
	if _, err := syscall.Write(controlFD, report); err != nil {
		return CodeNotExec // the supervisor is gone, nobody to tell
	}
	return CodeNotExec
}

func waitAndExec(file string, argv []string) syscall.Errno {
	if err := dieWith(); err != nil {
		return asErrno(err)
	}
	if _, err := syscall.Write(controlFD, []byte{stubReady}); err != nil {
		return asErrno(err)
	}
	var b [1]byte
	n, err := syscall.Read(controlFD, b[:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(controlFD, b[:])
	}
	if n != 1 || b[0] != stubGo {
		return syscall.ECANCELED
	}
	return asErrno(syscall.Exec(file, argv, os.Environ()))
}

func asErrno(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EINVAL
}
