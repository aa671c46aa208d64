package kvbucket_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// valve is a network that can be shut: connections break, and none is made.
type valve struct {
	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

// Dial connects while the valve is open.
func (v *valve) Dial(network, address string) (net.Conn, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut {
		return nil, net.ErrClosed
	}
	c, err := net.Dial(network, address)
	if err == nil {
		v.conns = append(v.conns, c)
	}
	return c, err
}

func (v *valve) set(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut = shut; shut {
		for _, c := range v.conns {
			c.Close()
		}
		v.conns = nil
	}
}

// behind is a connection to the bed through a valve.
func (b *bed) behind(t *testing.T) (*bus.Conn, *valve) {
	t.Helper()
	v := new(valve)
	nc, err := nats.Connect(b.url, nats.SetCustomDialer(v), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	check(t, err)
	closed := nc.StatusChanged(nats.CLOSED)
	c, err := bus.New(bus.Config{NATS: nc})
	check(t, err)
	t.Cleanup(func() { c.Close(); nc.Close(); <-closed })
	return c, v
}

// forgetful makes the engine write checkpoints, and so remember less of the
// past when it starts: only what came after the last one.
type forgetful struct {
	*bed
	saves enginetest.MemCheckpoints
	shown uint64 // what a view has shown
}

func newForgetful(t *testing.T) *forgetful {
	t.Helper()
	f := &forgetful{bed: newBed(t), saves: enginetest.MemCheckpoints{Saved: make(chan struct{}, 1)}}
	f.reopen(t)
	return f
}

// reopen stops the engine and starts the next one.
func (f *forgetful) reopen(t *testing.T, between ...func()) {
	t.Helper()
	check(t, f.bed.engine.Load().Close())
	for _, do := range between {
		do()
	}
	two := engine.Layer{Name: "two", Buckets: []engine.Bucket{{Name: bucketOfTwo, History: 2}}}
	e, err := engine.Open(t.Context(), engine.Config{
		Log: f.log, Checkpoints: &f.saves, CheckpointAfter: 1, StoreID: make([]byte, 16),
		Layers:  []engine.Layer{two, kvbucket.Layer(two)},
		Shown:   func(context.Context) (uint64, error) { return f.shown, nil },
		Publish: engine.NewEvents(f.server, nil, slog.New(slog.DiscardHandler)), Logger: slog.New(slog.DiscardHandler),
	})
	check(t, err)
	f.bed.engine.Store(e)
}

// forget writes until a checkpoint has been made of what was written before.
func (f *forgetful) forget(write func()) {
	for range 10 {
		write()
	}
	select {
	case <-f.saves.Saved: // it may be of an earlier state
	default:
	}
	for {
		write()
		select {
		case <-f.saves.Saved:
			return
		default:
		}
	}
}

// before is a caller that does something before each request of a verb.
type before struct {
	*bed
	verb string
	do   func()
}

// Call asks the engine of the moment.
func (b *before) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	if verb == b.verb {
		b.do()
	}
	return b.bed.Call(ctx, user, verb, req)
}

func (b bucket) mirror(opts ...kvbucket.MirrorOption) mirror {
	b.t.Helper()
	m, err := b.Mirror(b.ctx, opts...)
	check(b.t, err)
	b.t.Cleanup(func() { check(b.t, m.Close()) })
	return mirror{m, b}
}

// mirror is a Mirror whose errors end the test.
type mirror struct {
	*kvbucket.Mirror
	b bucket
}

func (m mirror) wait(revision uint64) *kvbucket.Snapshot {
	m.b.t.Helper()
	s, err := m.WaitRevision(m.b.ctx, revision)
	check(m.b.t, err)
	if s.Revision() < revision {
		m.b.t.Fatalf("want revision %d, got %d", revision, s.Revision())
	}
	return s
}

// versions writes down all that an entry says.
func versions(list []*kvbucket.Entry) []string {
	var out []string
	for _, e := range list {
		rest := *e
		rest.Value = nil
		out = append(out, fmt.Sprintf("%+v %s", rest, e.Value))
	}
	return out
}

// wantTruth compares a snapshot with what the host has at its revision.
func wantTruth(b bucket, s *kvbucket.Snapshot, r kvbucket.Range) {
	b.t.Helper()
	truth, err := b.List(b.ctx, r, kvbucket.At(s.Revision()))
	check(b.t, err)
	same(b.t, versions(truth), versions(slices.Collect(s.Range(kvbucket.Range{}))))
	same(b.t, len(truth), s.Len())
}
