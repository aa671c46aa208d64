package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// Group is the processes of one job, and the supervisor above them. Its
// methods are safe for concurrent use, from the handler too, and none waits
// for the processes: Done does.
type Group struct {
	proc   *os.Process
	conn   *os.File
	stdin  *os.File // nil without Spec.Stdin
	handle func(Event)
	done   chan struct{}

	mu    sync.Mutex
	pids  []int  // by task; guarded by mu
	ended []bool // by task; of the goroutine of run alone
}

// Start starts a supervisor with the tasks of spec and returns while they
// start. handle is called for every event, one at a time, in order, from one
// goroutine; while it runs the tasks' output waits, and none is lost. The last
// event is Done. When ctx ends the group is killed.
//
// Errors: ErrInit, ErrSpec, the context's error, or why no supervisor could be
// started. What is wrong with the command is an event of the task.
func Start(ctx context.Context, spec Spec, handle func(Event)) (*Group, error) {
	if !initialized.Load() {
		return nil, ErrInit
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if handle == nil {
		return nil, fmt.Errorf("%w: no handler", ErrSpec)
	}
	wire, err := spec.encode()
	if err != nil {
		return nil, err
	}
	g := &Group{handle: handle, done: make(chan struct{}), pids: make([]int, spec.Tasks), ended: make([]bool, spec.Tasks)}
	if err = g.launch(spec.Stdin); err != nil {
		return nil, fmt.Errorf("start a supervisor: %w", err)
	}
	if err = g.send(cmdSpec, wire); err != nil {
		g.abort()
		return nil, fmt.Errorf("start a supervisor: %w", err)
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { g.Kill(); close(killed) })
	go g.run(func() { // ends with the supervisor; Done waits for it
		if !stop() {
			<-killed
		}
	})
	return g, nil
}

// launch starts the supervisor process.
func (g *Group) launch(stdin bool) error {
	conn, child, err := connect("supervisor")
	if err != nil {
		return err
	}
	g.conn = conn
	files := []*os.File{os.NewFile(uintptr(child), "supervisor")}
	if stdin {
		var r int
		if r, g.stdin, err = writePipe("stdin"); err == nil {
			files = append(files, os.NewFile(uintptr(r), "stdin"))
		}
	}
	if err == nil {
		g.proc, err = startSupervisor(files)
	}
	for _, f := range files {
		f.Close()
	}
	if err != nil {
		g.closeFiles()
	}
	return err
}

// startSupervisor runs this program again, with files from controlFD on, in a
// session of its own: the terminal's signals reach the launcher alone. Its
// standard error is ours, for what only a crash can say. One thread of Go code
// and an early collector keep it small.
func startSupervisor(files []*os.File) (*os.Process, error) {
	exe, err := selfExe()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	return os.StartProcess(exe, []string{supervisorName}, &os.ProcAttr{
		Env:   mergeEnv(os.Environ(), []string{marker + "=" + supervisorMode, "GOMAXPROCS=1", "GOGC=50"}),
		Files: append([]*os.File{null, null, os.Stderr}, files...),
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// abort gets rid of a supervisor that has started nothing yet.
func (g *Group) abort() {
	g.closeFiles()
	_ = g.proc.Kill()
	_, _ = g.proc.Wait()
}

func (g *Group) closeFiles() {
	g.conn.Close()
	if g.stdin != nil {
		g.stdin.Close()
	}
}

// Release lets held tasks execute their command. Without Spec.Held, and the
// second time, it does nothing.
//
// Errors: ErrEnded; os.ErrDeadlineExceeded after ControlTime.
func (g *Group) Release() error { return g.send(cmdRelease, nil) }

// Signal sends sig to the process group of every task that has not ended.
//
// Errors: syscall.EINVAL for no signal; ErrEnded; os.ErrDeadlineExceeded
// after ControlTime.
func (g *Group) Signal(sig syscall.Signal) error {
	if sig < 1 || sig > 64 {
		return fmt.Errorf("signal %d: %w", int(sig), syscall.EINVAL)
	}
	return g.send(cmdSignal, number(int64(sig)))
}

// Stop sends SIGTERM to the tasks' process groups and, when grace has passed,
// SIGKILL to them and to every process they left behind. Tasks that were not
// started will not be. Of several Stops the earliest end counts. It returns at
// once; wait for Done.
func (g *Group) Stop(grace time.Duration) {
	g.end(cmdStop, number(int64(max(grace, 0))))
}

// Kill sends SIGKILL to the tasks' process groups and to every process they
// left behind. It returns at once; wait for Done. Output written before still
// arrives.
func (g *Group) Kill() { g.end(cmdKill, nil) }

// end also wakes a supervisor that somebody stopped with SIGSTOP.
func (g *Group) end(kind byte, payload []byte) {
	// Both fail only when the supervisor is gone, and the tasks with it.
	_ = g.proc.Signal(syscall.SIGCONT)
	_ = g.send(kind, payload)
}

// Done is closed after the last event was handled, the supervisor was reaped
// and the goroutine that called the handler has nothing left to do.
func (g *Group) Done() <-chan struct{} { return g.done }

// Pids returns the process ids by task, held ones too; 0 where there is none.
func (g *Group) Pids() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]int(nil), g.pids...)
}

// Stdin returns the standard input of task 0. A write waits while the pipe is
// full. Close gives end of file; until then a task that reads waits.
//
// Errors of Write: syscall.EPIPE when nobody can read it any more, os.ErrClosed
// after Close and Done, ErrNoStdin without Spec.Stdin.
func (g *Group) Stdin() io.WriteCloser {
	if g.stdin == nil {
		return noStdin{}
	}
	return g.stdin
}

type noStdin struct{}

func (noStdin) Write([]byte) (int, error) { return 0, ErrNoStdin }
func (noStdin) Close() error              { return nil }

func (g *Group) send(kind byte, payload []byte) error {
	if err := g.conn.SetWriteDeadline(time.Now().Add(ControlTime)); err != nil {
		return ErrEnded
	}
	_, err := g.conn.Write(frame(nil, kind, 0, payload))
	if errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return ErrEnded
	}
	return err
}
