package proc

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const waitTime = 30 * time.Second // for what should take milliseconds, on a loaded machine

func TestMain(m *testing.M) {
	name := os.Getenv(helperEnv)
	if name != helperNoInit {
		Init()
	}
	if helper, ok := helpers()[name]; ok {
		os.Exit(helper())
	}
	goleak.VerifyTestMain(m)
}

// recorder keeps what a group reported.
type recorder struct {
	mu     sync.Mutex
	events []Event // without Output
	out    map[outputKey]*bytes.Buffer
	more   chan struct{} // one slot: something was added
}

type outputKey struct {
	task   int
	stream Stream
}

func newRecorder() *recorder {
	return &recorder{out: map[outputKey]*bytes.Buffer{}, more: make(chan struct{}, 1)}
}

func (r *recorder) handle(ev Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ev.Kind == Output {
		r.bufferLocked(ev.Task, ev.Stream).Write(ev.Data)
	} else {
		r.events = append(r.events, ev)
	}
	select {
	case r.more <- struct{}{}:
	default:
	}
}

func (r *recorder) bufferLocked(task int, stream Stream) *bytes.Buffer {
	key := outputKey{task, stream}
	if r.out[key] == nil {
		r.out[key] = &bytes.Buffer{}
	}
	return r.out[key]
}

func (r *recorder) output(task int, stream Stream) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bufferLocked(task, stream).String()
}

func (r *recorder) of(kind Kind) (evs []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if ev.Kind == kind {
			evs = append(evs, ev)
		}
	}
	return evs
}

// await waits until ok holds.
func (r *recorder) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(waitTime)
	for !ok() {
		select {
		case <-r.more:
		case <-timeout:
			t.Fatalf("no %s within %v; events: %+v", what, waitTime, r.events)
		}
	}
}

func (r *recorder) awaitKind(t *testing.T, kind Kind, n int) {
	t.Helper()
	r.await(t, kind.String(), func() bool { return len(r.of(kind)) >= n })
}

func start(t *testing.T, spec Spec) (*Group, *recorder) {
	t.Helper()
	if spec.Env == nil {
		spec.Env = os.Environ()
	}
	if spec.Tasks == 0 {
		spec.Tasks = 1
	}
	r := newRecorder()
	g, err := Start(context.Background(), spec, r.handle)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { g.Kill(); <-g.Done() })
	return g, r
}

// run runs a group to its end.
func run(t *testing.T, spec Spec) *recorder {
	t.Helper()
	g, r := start(t, spec)
	awaitDone(t, g)
	return r
}

func awaitDone(t *testing.T, g *Group) {
	t.Helper()
	select {
	case <-g.Done():
	case <-time.After(waitTime):
		t.Fatalf("group did not end within %v", waitTime)
	}
}

func sh(script string) []string { return []string{"sh", "-c", script} }
