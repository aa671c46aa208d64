package kvbucket_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// Buckets that the bed declares.
const (
	bucketOfTwo  = "two"  // history 2
	bucketOfLWJ  = "lwj"  // written by the layer lwj only: verb lwj.put
	bucketOfKept = "kept" // written by the layer kept only
)

// bed is an engine on a log in memory, a NATS server for its events, and a
// responder for its verbs.
type bed struct {
	log    *enginetest.MemLog
	server *nats.Conn
	url    string
	engine atomic.Pointer[engine.Engine]
	// lose, if set, tells whether the answer to a request over the network is lost.
	lose atomic.Pointer[func(verb string) bool]
}

func newBed(t *testing.T) *bed {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: bus.MaxMessage})
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	b := &bed{log: &enginetest.MemLog{}, url: s.ClientURL()}
	b.server = b.dial(t)
	b.start(t)
	t.Cleanup(func() { b.engine.Load().Close() })
	sub, err := b.server.Subscribe("lwj.api.v1.*.>", b.serve)
	check(t, err)
	check(t, b.server.Flush())
	t.Cleanup(func() { sub.Unsubscribe() })
	return b
}

func (b *bed) dial(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(b.url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // tests make slow consumers
	check(t, err)
	t.Cleanup(func() {
		closed := nc.StatusChanged(nats.CLOSED)
		nc.Close()
		<-closed
	})
	return nc
}

func (b *bed) start(t *testing.T) {
	t.Helper()
	type lwjPut struct {
		_msgpack   struct{} `msgpack:",as_array"`
		Key, Value string
	}
	two := engine.Layer{Name: "two", Buckets: []engine.Bucket{{Name: bucketOfTwo, History: 2}}}
	lwj := engine.Layer{
		Name: "lwj", Buckets: []engine.Bucket{{Name: bucketOfLWJ, ReadOnly: true}},
		Subject: func(n bus.Names, c *bus.Change) string { return n.State(c.Revision) },
		Procedures: []engine.Procedure{engine.Write("lwj.put", nil, func(tx *engine.Tx, in *lwjPut) (any, error) {
			tx.Put(bucketOfLWJ, in.Key, []byte(in.Value))
			return nil, nil
		})},
	}
	kept := engine.Layer{Name: "kept", Buckets: []engine.Bucket{{Name: bucketOfKept, ReadOnly: true}}}
	e, err := engine.Open(t.Context(), engine.Config{
		Log: b.log, StoreID: make([]byte, 16), Layers: []engine.Layer{two, lwj, kept, kvbucket.Layer(two, kept)},
		Publish: engine.NewEvents(b.server, nil, slog.New(slog.DiscardHandler)), Logger: slog.New(slog.DiscardHandler),
	})
	check(t, err)
	b.engine.Store(e)
}

// restart stops the engine and starts the next one on the same log.
func (b *bed) restart(t *testing.T) {
	t.Helper()
	check(t, b.engine.Load().Close())
	b.start(t)
}

func (b *bed) serve(m *nats.Msg) {
	req, parts := new(bus.Request), strings.SplitN(m.Subject, ".", 5)
	if bus.Unmarshal(m.Data, req) != nil {
		return
	}
	b.engine.Load().Submit(parts[3], parts[4], req, func(res *bus.Response) {
		if lose := b.lose.Load(); lose != nil && (*lose)(parts[4]) {
			return
		}
		if data, err := bus.Marshal(res); err == nil {
			m.Respond(data)
		}
	})
}

// Call asks the engine of the moment.
func (b *bed) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	return b.engine.Load().Call(ctx, user, verb, req)
}

// direct is a connection to the engine in this process.
func (b *bed) direct(t *testing.T) *bus.Conn {
	return b.connect(t, bus.Config{Direct: b})
}

// network is a connection to the engine over the server.
func (b *bed) network(t *testing.T) *bus.Conn { return b.connect(t, bus.Config{}) }

func (b *bed) connect(t *testing.T, cfg bus.Config) *bus.Conn {
	t.Helper()
	cfg.NATS = b.dial(t)
	c, err := bus.New(cfg)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func check(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
