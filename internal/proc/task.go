package proc

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// task is one process of the group, as the supervisor sees it.
type task struct {
	id      int
	pid     int
	file    string      // what Command[0] resolved to
	out     [2]*os.File // read ends of stdout and stderr
	hold    *os.File    // to the stub; nil once the command is executed, or was never held
	failure *execError  // the stub's
	started bool        // Started was sent
	copying bool        // out is being copied
	exit    *syscall.WaitStatus
	ended   bool // Exited or ExecFailed was sent
}

// startAll starts the tasks in order, and obeys in between.
func (s *supervisor) startAll() {
	badDir := enter(s.spec.Dir)
	for i := 0; i < s.spec.Tasks; i++ {
		t := &task{id: i}
		s.tasks = append(s.tasks, t)
		s.poll()
		if s.ending != 0 {
			s.end(t, signalEvent(i, 0, s.ending, "stopped before it started"))
			continue
		}
		failure := badDir
		if failure == nil {
			failure = s.start(t)
		}
		if failure != nil {
			s.end(t, failure.event(i))
		}
	}
	if s.stdin >= 0 {
		syscall.Close(s.stdin)
	}
}

// enter makes dir the working directory of this process and so of the tasks.
func enter(dir string) *execError {
	if dir == "" {
		return nil
	}
	if err := os.Chdir(dir); err != nil {
		return &execError{CodeNotExec, fmt.Sprintf("working directory: %v: %s", errnoOf(err), dir)}
	}
	return nil
}

// end reports the event that ends a task, once.
func (s *supervisor) end(t *task, ev Event) {
	if t.ended {
		return
	}
	t.ended = true
	s.live--
	s.up.event(ev)
}

// start starts one task, or says why it cannot be.
func (s *supervisor) start(t *task) *execError {
	env := s.spec.environ(t.id)
	var failure *execError
	if t.file, failure = resolve(s.spec.Command[0], env); failure != nil {
		return failure
	}
	child, err := s.plumb(t)
	if err == nil {
		err = s.fork(t, env, child)
	}
	closeAll(child)
	if err != nil {
		t.discard()
		return execFailure(err, t.file)
	}
	s.byPID[t.pid] = t
	if t.hold == nil {
		s.running(t)
		return nil
	}
	go t.watch(s.holds)
	if s.released {
		t.letGo()
	}
	return nil
}

// plumb makes the pipes of t and returns the child's ends: stdout, stderr and,
// for a held task, its hold.
func (s *supervisor) plumb(t *task) (child []int, err error) {
	for i := range t.out {
		var w int
		if t.out[i], w, err = readPipe(Stream(i + 1).String()); err != nil {
			return child, err
		}
		child = append(child, w)
	}
	if s.spec.Held {
		var fd int
		if t.hold, fd, err = connect("hold"); err != nil {
			return child, err
		}
		child = append(child, fd)
	}
	return child, nil
}

// fork starts the process of t: its command, or a stub that will become it.
func (s *supervisor) fork(t *task, env []string, child []int) error {
	file, argv := t.file, s.spec.Command
	if s.spec.Held {
		exe, err := selfExe()
		if err != nil {
			return err
		}
		argv = stubArgs(t.file, argv)
		file, env = exe, mergeEnv(env, []string{marker + "=" + taskMode})
	}
	files := []uintptr{s.null.Fd()}
	if t.id == 0 && s.stdin >= 0 {
		files[0] = uintptr(s.stdin)
	}
	for _, fd := range child {
		files = append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec(file, argv, &syscall.ProcAttr{Env: env, Files: files, Sys: taskAttr()})
	t.pid = pid
	return err
}

// running reports that the command is being executed.
func (s *supervisor) running(t *task) {
	t.started = true
	s.up.event(Event{Kind: Started, Task: t.id, Pid: t.pid})
	s.copyOut(t)
}

// copyOut starts the two goroutines that send the task's output. Each ends
// with its stream; run counts them.
func (s *supervisor) copyOut(t *task) {
	if t.copying {
		return
	}
	t.copying = true
	for i, r := range t.out {
		s.streams++
		go func() {
			s.up.copy(t.id, Stream(i+1), r)
			r.Close()
			s.eofs <- struct{}{}
		}()
	}
}

// cutStreams ends the copying of what is not in a pipe yet.
func (s *supervisor) cutStreams() {
	for _, t := range s.tasks {
		for _, r := range t.out {
			if t.copying {
				_ = r.SetReadDeadline(time.Now()) // closed is as good
			}
		}
	}
}

// holdNote is what a stub said; data is empty at its end.
type holdNote struct {
	t    *task
	data []byte
}

// watch passes on what the stub says, until it executes the command or dies.
func (t *task) watch(notes chan<- holdNote) {
	for {
		var b [5]byte
		n, err := t.hold.Read(b[:1])
		if n == 1 && b[0] == stubFailed {
			_, err = io.ReadFull(t.hold, b[1:])
			n = len(b)
		}
		if err != nil {
			n = 0
		}
		notes <- holdNote{t, b[:n]}
		if n == 0 {
			return
		}
	}
}

// noteHold follows a held task: ready, failed to execute, or at the end of its
// stub, which is the start of the command or the death of the process.
func (s *supervisor) noteHold(n holdNote) {
	t := n.t
	switch {
	case len(n.data) == 1 && n.data[0] == stubReady:
		s.up.event(Event{Kind: Held, Task: t.id, Pid: t.pid})
	case len(n.data) == 5:
		t.failure = execFailure(syscall.Errno(binary.BigEndian.Uint32(n.data[1:])), t.file)
	case len(n.data) == 0:
		t.hold.Close()
		t.hold = nil
		if s.released && t.failure == nil && !t.ended {
			s.running(t)
		}
		s.settle(t)
	}
}

// letGo lets a held task execute its command.
func (t *task) letGo() {
	if t.hold != nil {
		_, _ = t.hold.Write([]byte{stubGo}) // a dead stub is seen by watch
	}
}

// discard closes what was made for a process that there will not be.
func (t *task) discard() {
	for _, f := range []*os.File{t.out[0], t.out[1], t.hold} {
		if f != nil {
			f.Close()
		}
	}
	t.hold = nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}
