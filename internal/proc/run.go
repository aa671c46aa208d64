package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"syscall"
)

// run is the one goroutine of a group in the launcher: it reads what the
// supervisor says until its end, reaps it, and closes done. It never waits for
// a process but for one that has closed its socket.
func (g *Group) run(release func()) {
	defer close(g.done)
	last, ok := g.read()
	if !ok {
		_ = g.proc.Kill() // dead, or not to be trusted
	}
	state, err := g.proc.Wait()
	if !ok {
		last = g.bury(state, err)
	}
	release()
	g.closeFiles()
	g.handle(last)
}

// read handles the events until Done, which it returns.
func (g *Group) read() (Event, bool) {
	r := bufio.NewReader(g.conn)
	var buf []byte
	for {
		h, payload, err := readFrame(r, buf)
		if err != nil {
			return Event{}, false
		}
		buf = payload
		ev, err := decodeEvent(h, payload)
		if err != nil || ev.Task >= len(g.ended) {
			return Event{}, false
		}
		if ev.Kind == Done {
			_, _ = io.Copy(io.Discard, r) // its end is the supervisor's: nothing waits in wait4
			return ev, true
		}
		g.note(ev)
		g.handle(ev)
	}
}

// note keeps what Pids and bury need.
func (g *Group) note(ev Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch ev.Kind {
	case Held, Started:
		g.pids[ev.Task] = ev.Pid
	case Exited, ExecFailed:
		g.pids[ev.Task] = 0
		g.ended[ev.Task] = true
	}
}

// bury ends what is left of a group whose supervisor died. The tasks have lost
// it and are dead or dying on Linux; their groups are killed everywhere.
func (g *Group) bury(state *os.ProcessState, err error) Event {
	why := "supervisor died"
	if err == nil {
		why = fmt.Sprintf("supervisor died: %v", state)
	}
	pids := g.Pids()
	for task, pid := range pids {
		if g.ended[task] {
			continue
		}
		if pid > 0 {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // gone is as good
		}
		ev := signalEvent(task, pid, syscall.SIGKILL, why)
		g.note(ev)
		g.handle(ev)
	}
	return Event{Kind: Done, Err: why}
}
