package proc

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// supervisor is the process between a launcher and its tasks. All of it but
// the sending of output belongs to the goroutine of run, which is locked to
// one thread: the tasks die with the thread that started them (taskAttr), and
// nothing else in the process may wait for a child.
type supervisor struct {
	spec     *wireSpec
	up       *uplink
	commands chan command     // closed when the launcher is gone
	sigchld  chan os.Signal   // one slot
	holds    chan holdNote    // from the goroutines that watch held tasks
	eofs     chan struct{}    // one per stream that ended
	grace    <-chan time.Time // Stop's
	drain    <-chan time.Time // DrainTime's

	tasks    []*task
	byPID    map[int]*task // not yet reaped
	null     *os.File
	stdin    int // read end of task 0's pipe, or -1
	live     int // tasks not ended
	streams  int // streams being copied
	deadline time.Time
	released bool
	ending   syscall.Signal // what Stop or Kill sent, or 0
	drained  bool           // wait for no more output
	leftover string         // what could not be killed
}

// command is a frame from the launcher.
type command struct {
	kind  byte
	value int64
}

// runSupervisor is the whole life of a supervisor process.
func runSupervisor() int {
	runtime.LockOSThread()
	closeOnExec(controlFD)
	setName(supervisorName)
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, syscall.SIGCHLD)
	// Caught, not ignored: what is ignored stays so in the tasks.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	s, err := newSupervisor(sigchld)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", supervisorName, err)
		return CodeNotExec
	}
	s.run()
	return 0
}

func newSupervisor(sigchld chan os.Signal) (*supervisor, error) {
	conn, err := pollable(controlFD, "launcher")
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	h, payload, err := readFrame(r, nil)
	if err != nil || h.kind != cmdSpec {
		return nil, fmt.Errorf("no specification from the launcher: %w", orProtocol(err))
	}
	spec, err := decodeSpec(payload)
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		spec: spec, up: newUplink(conn), sigchld: sigchld, null: null, stdin: -1,
		commands: make(chan command), holds: make(chan holdNote), eofs: make(chan struct{}),
		byPID: make(map[int]*task), live: spec.Tasks,
	}
	if spec.Stdin {
		s.stdin = stdinFD
	}
	go s.listen(r)
	go s.up.run()
	return s, adopt()
}

func orProtocol(err error) error {
	if err == nil {
		return errProtocol
	}
	return err
}

// listen hands the launcher's frames to run. It ends with the process.
func (s *supervisor) listen(r *bufio.Reader) {
	defer close(s.commands)
	var buf []byte
	for {
		h, payload, err := readFrame(r, buf)
		if err != nil {
			return
		}
		buf = payload
		c := command{kind: h.kind}
		if h.kind == cmdSignal || h.kind == cmdStop {
			if c.value, err = parseNumber(payload); err != nil {
				return
			}
		}
		s.commands <- c
	}
}

// run starts the tasks, waits for all of them, drains their output and leaves
// nothing behind. When the launcher goes it does not return.
func (s *supervisor) run() {
	s.startAll()
	for s.live > 0 {
		s.step()
	}
	s.drain = time.After(DrainTime)
	for s.streams > 0 && !s.drained {
		s.step()
	}
	s.killAll()
	s.cutStreams()
	for s.streams > 0 {
		s.step()
	}
	s.up.event(Event{Kind: Done, Err: s.leftover})
	s.up.flush()
}

// step waits for one thing to happen.
func (s *supervisor) step() {
	select {
	case c, ok := <-s.commands:
		s.obey(c, ok)
	case <-s.sigchld:
		s.reap()
	case n := <-s.holds:
		s.noteHold(n)
	case <-s.eofs:
		s.streams--
	case <-s.grace:
		s.killAll()
	case <-s.drain:
		s.drained = true
	}
}

// poll does what is waiting, and does not wait.
func (s *supervisor) poll() {
	select {
	case c, ok := <-s.commands:
		s.obey(c, ok)
	case <-s.sigchld:
		s.reap()
	default:
	}
}

func (s *supervisor) obey(c command, ok bool) {
	switch {
	case !ok:
		s.killAll()
		os.Exit(1) // nobody left to report to
	case c.kind == cmdRelease:
		s.release()
	case c.kind == cmdSignal:
		s.signalAll(syscall.Signal(c.value))
	case c.kind == cmdStop:
		s.stop(time.Duration(c.value))
	case c.kind == cmdKill:
		s.ending = syscall.SIGKILL
		s.killAll()
	}
}

func (s *supervisor) release() {
	if s.released {
		return
	}
	s.released = true
	for _, t := range s.tasks {
		t.letGo()
	}
}

// stop asks the tasks to end; the earliest deadline of several stops counts.
func (s *supervisor) stop(grace time.Duration) {
	if s.ending == 0 {
		s.ending = syscall.SIGTERM
	}
	s.signalAll(syscall.SIGTERM)
	s.signalAll(syscall.SIGCONT)
	at := time.Now().Add(grace)
	if s.deadline.IsZero() || at.Before(s.deadline) {
		s.deadline, s.grace = at, time.After(grace)
	}
}

// signalAll signals the groups whose leader was not reaped: the id of another
// may be a stranger's by now.
func (s *supervisor) signalAll(sig syscall.Signal) {
	for pid := range s.byPID {
		_ = syscall.Kill(-pid, sig) // gone is as good
	}
}
