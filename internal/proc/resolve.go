package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// execError is a command that cannot be executed.
type execError struct {
	code int // CodeNotFound or CodeNotExec
	text string
}

func (e *execError) event(task int) Event {
	return Event{Kind: ExecFailed, Task: task, Code: e.code, Err: e.text}
}

// resolve returns the file to execute for name, as execvp(3) finds it: a name
// with a slash is itself, another is looked up in PATH of env, where an empty
// element is the working directory.
func resolve(name string, env []string) (string, *execError) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	path, ok := lookupEnv(env, "PATH")
	if !ok {
		path = defaultPath
	}
	var denied *execError
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if err.code == CodeNotExec && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &execError{CodeNotFound, "command not found in PATH: " + name}
}

// executable tells why file cannot be executed, as far as its inode says.
func executable(file string) *execError {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return &execError{CodeNotFound, fmt.Sprintf("%v: %s", errnoOf(err), file)}
	case err != nil:
		return &execError{CodeNotExec, fmt.Sprintf("%v: %s", errnoOf(err), file)}
	case info.IsDir():
		return &execError{CodeNotExec, "is a directory: " + file}
	case info.Mode()&0o111 == 0:
		return &execError{CodeNotExec, "permission denied (not executable): " + file}
	}
	return nil
}

// execFailure explains the errno of a failed fork or execve of file, which
// executable passed.
func execFailure(err error, file string) *execError {
	errno := errnoOf(err)
	switch {
	case errors.Is(errno, syscall.E2BIG):
		return &execError{CodeNotExec, "argument list too long: command and environment exceed what the system lets a process start with"}
	case errors.Is(errno, syscall.ENOEXEC):
		return &execError{CodeNotExec, "exec format error (no binary of this machine, and no #! line): " + file}
	case errors.Is(errno, syscall.ENOENT):
		if executable(file) == nil {
			return &execError{CodeNotExec, "no such file or directory (the interpreter or loader it names): " + file}
		}
		return &execError{CodeNotFound, "no such file or directory: " + file}
	}
	return &execError{CodeNotExec, fmt.Sprintf("%v: %s", errno, file)}
}

// errnoOf returns the error number inside err, or err itself.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
