package proc

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// reap collects every child that ended and reports whether none is left.
func (s *supervisor) reap() (none bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD
			return true
		case pid == 0:
			return false
		default:
			s.ended(pid, ws)
		}
	}
}

// ended notes the end of a child; one that was adopted is nobody's business.
func (s *supervisor) ended(pid int, ws syscall.WaitStatus) {
	t := s.byPID[pid]
	if t == nil {
		return
	}
	delete(s.byPID, pid)
	t.exit = &ws
	s.settle(t)
}

// settle reports the end of a task, once its stub can say no more either.
func (s *supervisor) settle(t *task) {
	if t.exit == nil || t.hold != nil {
		return
	}
	s.copyOut(t)
	if t.failure != nil {
		s.end(t, t.failure.event(t.id))
		return
	}
	s.end(t, exitEvent(t.id, t.pid, *t.exit))
}

func exitEvent(task, pid int, ws syscall.WaitStatus) Event {
	if ws.Signaled() {
		return signalEvent(task, pid, ws.Signal(), "")
	}
	return Event{Kind: Exited, Task: task, Pid: pid, Code: ws.ExitStatus()}
}

func signalEvent(task, pid int, sig syscall.Signal, why string) Event {
	return Event{Kind: Exited, Task: task, Pid: pid, Code: codeSignal + int(sig), Signal: int(sig), Err: why}
}

// killAll kills the tasks and every process they left behind, until wait4
// says that no child exists. It blocks for at most KillTime.
func (s *supervisor) killAll() {
	s.drained = true
	tick := time.NewTicker(killTick)
	defer tick.Stop()
	deadline := time.NewTimer(KillTime)
	defer deadline.Stop()
	for !s.reap() {
		if !s.killOnce() {
			s.giveUp("no permission to kill")
			return
		}
		select {
		case <-s.sigchld:
		case <-tick.C:
		case <-deadline.C:
			s.giveUp("still alive after SIGKILL")
			return
		}
	}
}

// killOnce sends SIGKILL to the groups of the tasks and to all children. It is
// false when there are some and none may be signalled (setuid programs).
func (s *supervisor) killOnce() bool {
	s.signalAll(syscall.SIGKILL)
	pids := children()
	denied := 0
	for _, pid := range pids {
		if errors.Is(syscall.Kill(pid, syscall.SIGKILL), syscall.EPERM) {
			denied++
		}
	}
	return len(pids) == 0 || denied < len(pids)
}

// giveUp ends the tasks that cannot be ended, so that the group does.
func (s *supervisor) giveUp(why string) {
	s.leftover = fmt.Sprintf("processes left over, %s: %v", why, children())
	for pid, t := range s.byPID {
		delete(s.byPID, pid)
		s.copyOut(t)
		s.end(t, signalEvent(t.id, pid, syscall.SIGKILL, why))
	}
}
