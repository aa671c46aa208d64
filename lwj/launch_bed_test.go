package lwj

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// gate stands between a client and the host: it counts requests, and cuts or
// loses them.
type gate struct {
	host    bus.Caller
	nc      *nats.Conn
	cut     atomic.Bool  // requests do not arrive
	deaf    atomic.Value // string: answers to this verb do not arrive
	arrived chan string  // verbs that were cut or deaf, if somebody listens

	mu    sync.Mutex
	calls map[string]int
}

func (g *gate) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	g.mu.Lock()
	g.calls[verb]++
	g.mu.Unlock()
	deaf := g.deaf.Load() == verb
	if deaf {
		g.host.Call(ctx, user, verb, req)
	}
	if deaf || g.cut.Load() {
		select {
		case g.arrived <- verb:
		default:
		}
		return nil
	}
	return g.host.Call(ctx, user, verb, req)
}

func (g *gate) count(verb string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[verb]
}

func newGate(h *testHost) *gate {
	g := &gate{host: h.engine, nc: h.nc, calls: map[string]int{}, arrived: make(chan string)}
	g.deaf.Store("")
	return g
}

// impatient is a RequestTimeout for tests that let requests fail.
const impatient = 200 * time.Millisecond

// conn is a connection through the gate; 0: the default RequestTimeout.
func (g *gate) conn(t testing.TB, timeout time.Duration) *bus.Conn {
	t.Helper()
	c, err := bus.New(bus.Config{NATS: g.nc, Direct: g, RequestTimeout: timeout})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// launcher starts a launcher that the test's end closes.
func launcher(t testing.TB, c *bus.Conn, cfg LauncherConfig) *Launcher {
	t.Helper()
	l, err := NewLauncher(testContext(t), c, cfg)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("close the launcher: %v", err)
		}
	})
	return l
}

func sh(script string) Spec { return NewSpec("/bin/sh", "-c", script) }

func start(t testing.TB, l *Launcher, spec Spec, opts RunOptions) *Job {
	t.Helper()
	j, err := l.Run(testContext(t), spec, opts)
	must(t, err)
	return j
}

func ended(t testing.TB, j *Job) Result {
	t.Helper()
	r, err := j.Wait(testContext(t))
	must(t, err)
	return r
}

// lifes reads a monitor until jobs jobs have ended, and returns the paths of
// all. It fails for an event that does not join on the one before it.
func lifes(t testing.TB, m *Monitor, jobs int) map[uint64][]string {
	t.Helper()
	events := map[uint64][]*Event{}
	for over := 0; over < jobs; {
		ev, err := m.Next(testContext(t))
		must(t, err)
		if ev.Kind != KindState {
			continue
		}
		if ev.To.Final() {
			over++
		}
		events[ev.Job] = append(events[ev.Job], ev)
	}
	out := map[uint64][]string{}
	for id, list := range events {
		if _, err := Fold(DefaultMachine(), list); err != nil {
			t.Error(err)
		}
		out[id] = path(list)
	}
	return out
}

func monitor(t testing.TB, h *testHost, o EventOptions) *Monitor {
	t.Helper()
	m, err := h.client.Events(testContext(t), o)
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

var plainRun = []string{"null→reserved", "reserved→starting", "starting→running", "running→complete"}

func wantPath(t testing.TB, want, got []string) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("want %v, got %v", want, got)
	}
}

// printed waits for a line of a job's output: it tells how far the job is.
type printed struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	lines chan string
}

func newPrinted() *printed { return &printed{lines: make(chan string, 1024)} }

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf.Write(b)
	for {
		i := bytes.IndexByte(p.buf.Bytes(), '\n')
		if i < 0 {
			return len(b), nil
		}
		p.lines <- string(p.buf.Next(i + 1)[:i])
	}
}

func (p *printed) next(t testing.TB) string {
	t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-testContext(t).Done():
		t.Fatal("the job prints nothing")
		return ""
	}
}
