package faults_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a helper that runs.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr strings.Builder
	lines  chan string   // what it says; closed at its end
	ended  chan struct{} // closed when it is gone
}

// maxLines is more than a helper says.
const maxLines = 16

// spawn starts a helper. The test's end kills it.
func spawn(t testing.TB, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	p := &process{t: t, cmd: exec.Command(exe, append([]string{helperMark}, args...)...), lines: make(chan string, maxLines), ended: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	p.stdin, err = p.cmd.StdinPipe()
	must(t, err)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go p.read(out)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("helper %v said: %s", args, p.stderr.String())
		}
	})
	return p
}

// read ends with the process; kill and end wait for it.
func (p *process) read(out io.Reader) {
	defer close(p.ended)
	s := bufio.NewScanner(out)
	for s.Scan() {
		p.lines <- s.Text()
	}
	close(p.lines)
	_ = p.cmd.Wait() // killed, most of the time
}

// said waits for a line that begins with word and returns the rest of it.
func (p *process) said(word string) string {
	p.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				<-p.ended
				p.t.Fatalf("the helper ended before it said %q: %s", word, p.stderr.String())
			}
			if rest, ok := strings.CutPrefix(line, word); ok {
				return strings.TrimSpace(rest)
			}
		case <-limit.C:
			p.t.Fatalf("the helper did not say %q", word)
		}
	}
}

func (p *process) say(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.stdin, line+"\n")
	must(p.t, err)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(s))
}

// kill ends the helper as a crash would, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.ended
}

// relay is a host process and the next one, which waits for its end.
type relay struct {
	t            testing.TB
	dir          string
	active, next *process
}

func newRelay(t testing.TB, dir string) *relay {
	t.Helper()
	r := &relay{t: t, dir: dir, active: spawn(t, roleHost, dir)}
	r.active.said(saidReady)
	return r
}

// crash kills the host at once if the next one waits already.
func (r *relay) crash() {
	r.t.Helper()
	r.prepare()
	r.active.kill()
	r.active, r.next = r.next, nil
}

// prepare starts the next host, which finds that this one is there.
func (r *relay) prepare() {
	r.t.Helper()
	if r.next == nil {
		r.next = spawn(r.t, roleHost, r.dir)
		r.next.said(saidWaiting)
	}
}

// recovered waits until the host serves.
func (r *relay) recovered() {
	r.t.Helper()
	r.active.said(saidReady)
}

// stop kills the last host.
func (r *relay) stop() {
	if r.next != nil {
		r.next.kill()
	}
	r.active.kill()
}
