package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

// Exit codes of a command that cannot be run, as shells have them.
const (
	exitNotExec   = 126
	exitNoCommand = 127
)

// checkCommand refuses a command that cannot be found, before anything is done
// for it.
func checkCommand(command []string) error {
	if command[0] == "" {
		return usagef("the command is empty")
	}
	_, err := exec.LookPath(command[0])
	return notRun(command[0], err)
}

// notRun is why a command did not run, with the exit code that shells give it.
func notRun(name string, err error) error {
	if err == nil {
		return nil
	}
	code, wire := exitNotExec, bus.CodeDenied
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		code, wire = exitNoCommand, bus.CodeNotFound
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return errTold{code, bus.NewError(wire, "%s: %v", name, err).WithHint("check the command behind --")}
}

// command is one that this program runs beside its own work, with the bus that
// it uses itself and more variables, as "K=V".
func (a *app) command(words []string, more ...string) *exec.Cmd {
	c := exec.Command(words[0], words[1:]...)
	c.Env = append(a.reach(os.Environ()), more...)
	c.Stdout, c.Stderr = a.Out, a.Err
	if d, ok := a.Out.(dataWriter); ok {
		c.Stdout = d.w // as it is: the command may ask whether it is a terminal
	}
	return c
}

// reach is the environment with the flags that say which bus is meant.
func (a *app) reach(environ []string) (env []string) {
	set := map[string]string{lwj.EnvNamespace: a.namespace, lwj.EnvHost: a.host}
	if a.server != "" || a.context != "" || a.dir != "" {
		set[lwj.EnvServer], set["LWJ_CONTEXT"], set[lwj.EnvDir] = a.server, a.context, a.dir
	}
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); !has(set, name) {
			env = append(env, kv)
		}
	}
	for name, value := range set {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func has[V any](m map[string]V, name string) bool {
	_, ok := m[name]
	return ok
}

// runChild runs a command to its end and returns its exit code, 128+n for
// signal n. A signal that would end this program is passed on to the command
// instead; the end of stop is SIGTERM for it.
func (a *app) runChild(ctx context.Context, c *exec.Cmd, stop <-chan struct{}) (int, error) {
	again := a.signals.keep()
	defer a.signals.letGo()
	if err := c.Start(); err != nil {
		return 0, notRun(c.Path, err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }() // ends with the command; its result is received below
	for ended := ctx.Done(); ; {
		select {
		case err := <-done:
			return childCode(c, err)
		case <-ended:
			ended = nil
			sig, _ := asSignal(ctx)
			forward(c, sig)
		case sig := <-again:
			forward(c, sig.(syscall.Signal))
		case <-stop:
			stop = nil
			_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
}

// forward passes a signal on, unless the command has it already: what is typed
// on a terminal goes to all who run in its foreground.
func forward(c *exec.Cmd, sig syscall.Signal) {
	switch {
	case sig == 0:
		sig = syscall.SIGTERM
	case sig != syscall.SIGTERM && inForeground():
		return
	}
	_ = c.Process.Signal(sig) // it may have ended
}

// inForeground tells whether this process is in the foreground of a terminal.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// childCode is the exit code of a command that has ended. What it wrote may
// have got lost after it (err), unless nobody wants to read it.
func childCode(c *exec.Cmd, err error) (int, error) {
	if err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, syscall.EPIPE) {
		return 0, fmt.Errorf("%s: %w", c.Path, err)
	}
	if code := c.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return exitSignal + int(c.ProcessState.Sys().(syscall.WaitStatus).Signal()), nil
}
