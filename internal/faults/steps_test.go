package faults_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// step is where an engine is stopped.
type step int

const (
	beforeLog     step = iota // the record is not in the log
	beforeReveal              // it is, but nobody has been told
	beforeProject             // everybody has been told, the view shows nothing of it
	whileProject              // the view may show some of it
	steps
)

// stepRounds is how often an engine is stopped.
const stepRounds = 1000

// keepRounds is how many of them share a log, which each start reads whole.
const keepRounds = 100

// stopper is a Log and a Projector that do nothing from one step on.
type stopper struct {
	*enginetest.MemLog
	engine.Projector
	at      step
	reached chan struct{}
	once    sync.Once
	armed   func() bool // the step may come now
}

func (s *stopper) reach() { s.once.Do(func() { close(s.reached) }) }

// Append stops before the record is stored, or before it is acknowledged.
func (s *stopper) Append(after uint64, data []byte, done func(uint64, error)) {
	if s.at > beforeReveal || !s.armed() {
		s.MemLog.Append(after, data, done)
		return
	}
	if s.at == beforeReveal {
		stored := make(chan struct{})
		s.MemLog.Append(after, data, func(uint64, error) { close(stored) })
		<-stored
	}
	s.reach()
}

// Enqueue stops before the view hears of the record, or right after it.
func (s *stopper) Enqueue(seq uint64, changes []*bus.Change) {
	if s.at != beforeProject {
		s.Projector.Enqueue(seq, changes)
	}
	if s.at >= beforeProject && len(changes) > 0 {
		s.reach()
	}
}

// Close is the projector's.
func (s *stopper) Close() error { return s.Projector.Close() }

// stepBed is a log in memory under engines that are stopped, and a server for
// their views.
type stepBed struct {
	t   *testing.T
	nc  *nats.Conn
	js  jetstream.JetStream
	log *enginetest.MemLog
	ns  string
}

// store is the id of the store that the beds' logs belong to.
const store = "0123456789abcdef"

// open starts an engine that stops at a step of its next record.
func (b *stepBed) open(ctx context.Context, at step) (*engine.Engine, *stopper) {
	b.t.Helper()
	s := &stopper{MemLog: b.log, at: at, reached: make(chan struct{})}
	open := make(chan struct{})
	s.armed = func() bool {
		select {
		case <-open:
			return true
		default:
			return false // the record of the engine's epoch
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	e, err := engine.Open(ctx, engine.Config{
		Namespace: b.ns, Log: s, StoreID: []byte(store), Layers: []engine.Layer{kvbucket.Layer()}, Logger: quiet,
		Projector: func(e *engine.Engine) (engine.Projector, error) {
			var err error
			s.Projector, err = engine.ProjectInto(b.nc, store, 1, quiet)(e)
			return s, err
		},
	})
	must(b.t, err)
	close(open)
	return e, s
}

// TestK25EveryStep stops an engine at each step of a transaction of three keys
// a thousand times; a next engine finds it whole or undone, and brings the KV
// bucket up to the state.
func TestK25EveryStep(t *testing.T) {
	t.Parallel()
	r := random(t)
	b := &stepBed{t: t, nc: viewServer(t)}
	var err error
	b.js, err = jetstream.New(b.nc)
	must(t, err)
	began := time.Now()
	for round := 0; round < stepRounds; round += keepRounds {
		b.log, b.ns = new(enginetest.MemLog), "n"+string(text(round))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		sure, sent := uint64(0), uint64(0) // numbers that are certainly, and at most, there
		for range keepRounds {
			sure, sent = b.round(ctx, step(r.IntN(int(steps))), sure, sent)
		}
		b.end(ctx, sure)
		cancel()
	}
	t.Logf("%d stops in %v", stepRounds, time.Since(began).Round(time.Millisecond))
}

// round opens an engine, checks what is there, and stops it in the middle of
// the next transaction. It returns what the next engine is to find.
func (b *stepBed) round(ctx context.Context, at step, sure, sent uint64) (uint64, uint64) {
	b.t.Helper()
	e, s := b.open(ctx, at)
	n := b.find(e, sure, sent)
	req := putTriple(b.t, n+1)
	answered := make(chan *bus.Response, 1)
	e.Submit("u", "kv.putall", req, func(res *bus.Response) { answered <- res })
	select {
	case <-s.reached:
	case <-ctx.Done():
		b.t.Fatalf("step %d was not reached", at)
	}
	must(b.t, e.Close())
	res := <-answered
	switch acked := res.Error == nil; {
	case acked != (at >= beforeProject):
		b.t.Fatalf("step %d: answer %v", at, res.Error)
	case acked, at == beforeReveal:
		return n + 1, n + 1
	}
	return n, n
}

// find returns the number that the three keys have.
func (b *stepBed) find(e *engine.Engine, sure, sent uint64) uint64 {
	b.t.Helper()
	var got []*bus.Change
	e.Snapshot().Range("kv", "", nil, func(c *bus.Change) bool { got = append(got, c); return true })
	if sent == 0 && len(got) == 0 {
		return 0
	}
	if len(got) != 3 {
		b.t.Fatalf("want three keys, got %d", len(got))
	}
	for _, c := range got {
		if c.Revision != got[0].Revision || string(c.Value) != string(text(int(c.Version))) || c.Version < sure || c.Version > sent {
			b.t.Fatalf("want %d to %d in all three, got %s (version %d, revision %d) in %s", sure, sent, c.Value, c.Version, c.Revision, c.Key)
		}
	}
	return got[0].Version
}

// end compares the KV bucket with the state.
func (b *stepBed) end(ctx context.Context, want uint64) {
	b.t.Helper()
	e, _ := b.open(ctx, steps)
	defer e.Close()
	must(b.t, e.Flush(ctx))
	kv, err := b.js.KeyValue(ctx, bus.Names{Namespace: b.ns}.KVBucket("kv"))
	must(b.t, err)
	for _, key := range []string{"a", "b", "c"} {
		v, err := kv.Get(ctx, key)
		must(b.t, err)
		if string(v.Value()) != string(text(int(want))) {
			b.t.Fatalf("key %s of the KV bucket: want %d, got %s", key, want, v.Value())
		}
	}
	_, err = e.CheckLog(ctx)
	must(b.t, err)
}

func viewServer(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, NoSigs: true, NoLog: true})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.NoEcho())
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// putTriple is the request that kvbucket.PutAll would send.
func putTriple(t *testing.T, n uint64) *bus.Request {
	t.Helper()
	v := text(int(n))
	body, err := bus.Marshal([]any{"kv", []string{"a", "b", "c"}, [][]byte{v, v, v}})
	must(t, err)
	return &bus.Request{Body: body}
}
