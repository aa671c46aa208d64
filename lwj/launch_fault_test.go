package lwj

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// Shorter than its lease, being cut off is not noticed but by the delay.
func TestLauncherCutOff(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l := launcher(t, g.conn(t, impatient), LauncherConfig{Lease: 5 * time.Second})
	m := monitor(t, h, EventOptions{})
	out := newPrinted()
	stdin, input := io.Pipe()
	j := start(t, l, sh("echo up; read go; echo down"), RunOptions{Stdin: stdin, Stdout: out})
	out.next(t)
	g.cut.Store(true)
	<-g.arrived // a request that does not arrive
	_, err := io.WriteString(input, "go\n")
	must(t, err)
	must(t, input.Close())
	wantEqual(t, "output", "down", out.next(t))
	for range 10 { // several calls, each with its tries
		<-g.arrived
	}
	g.cut.Store(false)
	wantEqual(t, "state", Complete, ended(t, j).State)
	wantPath(t, plainRun, lifes(t, m, 1)[j.ID()])
	wantEqual(t, "output in the store", "up\ndown\n", string(read(t, h, j.ID(), OutputOptions{})))
}

// pingCutter is a connection that breaks instead of the next PING, once armed.
type pingCutter struct {
	net.Conn
	armed *atomic.Bool
}

func (c pingCutter) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("PING")) && c.armed.CompareAndSwap(true, false) {
		_ = c.Close() // as a host that is killed does
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// pingCutters dials connections that one armed flag breaks.
type pingCutters struct{ armed *atomic.Bool }

func (d pingCutters) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return pingCutter{c, d.armed}, err
}

// The connection is lost while a launcher subscribes, as in a takeover.
func TestLauncherOpenCutOff(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g, armed := newGate(h), new(atomic.Bool)
	nc, err := nats.Connect(h.nc.ConnectedUrl(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.SetCustomDialer(pingCutters{armed}))
	must(t, err)
	t.Cleanup(nc.Close)
	g.nc = nc
	c := g.conn(t, 0)
	armed.Store(true)
	l := launcher(t, c, LauncherConfig{Lease: MaxLease})
	wantEqual(t, "armed still", false, armed.Load())
	out := newPrinted()
	j := start(t, l, sh("echo up; exec sleep 100"), RunOptions{Stdout: out})
	out.next(t)
	_, err = h.client.Cancel(testContext(t), 0, j.ID())
	must(t, err)
	wantEqual(t, "state", Cancelled, ended(t, j).State)
}

// A write whose answer is lost is made again, and counts once.
func TestLauncherDoubt(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l := launcher(t, g.conn(t, impatient), LauncherConfig{})
	m := monitor(t, h, EventOptions{})
	g.deaf.Store(VerbAdvance)
	j := start(t, l, NewSpec("true"), RunOptions{})
	for range 2 { // a whole call, with another request id than the next
		before := g.count(VerbAdvance)
		for g.count(VerbAdvance) < before+8 {
			<-g.arrived
		}
	}
	g.deaf.Store("")
	wantEqual(t, "state", Complete, ended(t, j).State)
	wantPath(t, plainRun, lifes(t, m, 1)[j.ID()])
}

// A launcher that cannot renew counts itself lost before the host does, and
// kills what it runs.
func TestLauncherLeaseLost(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l := launcher(t, g.conn(t, impatient), LauncherConfig{Lease: MinLease})
	out := newPrinted()
	j := start(t, l, sh(`trap "" TERM; echo up; while :; do sleep 1; done`), RunOptions{Stdout: out})
	out.next(t)
	_, err := h.client.Wait(testContext(t), Running, j.ID())
	must(t, err)
	g.cut.Store(true)
	<-l.Lost()
	wantEqual(t, "state when the launcher gives up", Running, h.show(j.ID()).State.State)
	r := ended(t, j)
	wantEqual(t, "lost", true, r.Lost)
	wantEqual(t, "exit code", exitFailed, r.ExitCode)
	_, err = h.client.Wait(testContext(t), Failed, j.ID())
	must(t, err)
	wantEqual(t, "reason in the store", ReasonLost, h.show(j.ID()).State.Detail.Reason)
	_, err = l.Run(testContext(t), NewSpec("true"), RunOptions{})
	wantCode(t, bus.CodeNoOwner, err)
}

// An owner that the host has ended cannot write: its jobs' processes go.
func TestLauncherFenced(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{Lease: time.Minute})
	out := newPrinted()
	stdin, input := io.Pipe()
	j := start(t, l, sh("echo up; read go; exit 3"), RunOptions{Stdin: stdin, Stdout: out})
	out.next(t)
	h.endOwner(l.ID(), l.session.Token())
	must(t, input.Close())
	r := ended(t, j)
	wantEqual(t, "lost", true, r.Lost)
	wantEqual(t, "state in the store", Failed, h.show(j.ID()).State.State)
	wantEqual(t, "reason in the store", ReasonLost, h.show(j.ID()).State.Detail.Reason)
}

// A submit whose outcome nobody knows leaves no job behind.
func TestLauncherUnknownSubmit(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l := launcher(t, g.conn(t, impatient), LauncherConfig{})
	other := start(t, l, NewSpec("sleep", "60"), RunOptions{})
	g.deaf.Store(VerbSubmit)
	_, err := l.Run(testContext(t), NewSpec("true"), RunOptions{})
	wantCode(t, bus.CodeUnknownOutcome, err)
	g.deaf.Store("")
	_, err = h.client.Wait(testContext(t), Cancelled, other.ID()+1)
	must(t, err)
	select {
	case <-other.Done():
		t.Error("want the other job to run on")
	default:
	}
}

// A request that comes before the answer to the submit is not lost.
func TestLauncherEarlyCancel(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{Lease: time.Hour})
	must(t, l.admit())
	id, err := h.client.Submit(testContext(t), NewSpec("sleep", "60"), Start(l.session.ID(), l.session.Token()))
	must(t, err)
	must(t, one(h.client.Cancel(testContext(t), time.Minute, id)))
	ctx := testContext(t)
	for missed := false; !missed; { // until the event has come
		must(t, ctx.Err())
		l.mu.Lock()
		missed = l.missed
		l.mu.Unlock()
	}
	j := l.newJob(claim{id: id, epoch: 1, attempt: 1}, NewSpec("sleep", "60"), RunOptions{})
	l.carry(j)
	l.submitted(nil)
	wantEqual(t, "state", Cancelled, ended(t, j).State)
}

// Close does not wait longer than its context for a host that does not answer.
func TestLauncherCloseWithoutHost(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l, err := NewLauncher(testContext(t), g.conn(t, impatient), LauncherConfig{})
	must(t, err)
	out := newPrinted()
	j := start(t, l, sh("echo up; exec sleep 60"), RunOptions{Stdout: out})
	out.next(t)
	g.cut.Store(true)
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if err := l.Close(ctx); err == nil {
		t.Error("want the end of the context")
	}
	wantEqual(t, "lost", true, ended(t, j).Lost)
	h.endOwner(l.ID(), l.session.Token())
	wantEqual(t, "state in the store", Failed, h.show(j.ID()).State.State)
}
