package lwj

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// patience bounds every wait of a test; it is reached only by a failure.
const patience = 30 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// testHost is an engine with the layer of jobs over a log in memory, and a
// client in the same process. At its end the replay law is checked.
type testHost struct {
	t      testing.TB
	log    *enginetest.MemLog
	engine *engine.Engine
	conn   *bus.Conn
	client *Client
	hooks  []Hook

	nc    *nats.Conn
	store *OutputStore
}

type hostOption func(*testHost)

// withNATS gives the host a server: events, and an output store.
func withNATS(h *testHost) { h.nc = connect(h.t, runServer(h.t)) }

func withHook(hook Hook) hostOption { return func(h *testHost) { h.hooks = append(h.hooks, hook) } }

func newHost(t testing.TB, opts ...hostOption) *testHost {
	t.Helper()
	h := &testHost{t: t, log: &enginetest.MemLog{}}
	for _, o := range opts {
		o(h)
	}
	h.open()
	t.Cleanup(h.close)
	return h
}

func (h *testHost) open() {
	h.t.Helper()
	cfg := engine.Config{Log: h.log, StoreID: []byte("0123456789abcdef"), Layers: []engine.Layer{Layer(h.hooks...), claimLayer(h.hooks), ownerLayer()}, Logger: slog.New(slog.DiscardHandler)}
	if h.nc != nil {
		cfg.Publish = engine.NewEvents(h.nc, nil, cfg.Logger)
		h.store = NewOutputStore(openOutput(h.t, h.nc), bus.Names{Namespace: bus.DefaultNamespace})
		cfg.Layers = append(cfg.Layers, h.store.Layer())
	}
	var err error
	h.engine, err = engine.Open(testContext(h.t), cfg)
	must(h.t, err)
	h.conn = h.connect(h.nc)
	h.client = NewClient(h.conn)
}

// connect returns another client's connection to the host in this process.
func (h *testHost) connect(nc *nats.Conn) *bus.Conn {
	h.t.Helper()
	c, err := bus.New(bus.Config{NATS: nc, Direct: h.engine})
	must(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	return c
}

func (h *testHost) close() {
	h.t.Helper()
	if err := CheckReplay(h.engine.Snapshot()); err != nil {
		h.t.Errorf("replay law: %v", err)
	}
	if _, err := h.engine.CheckLog(context.Background()); err != nil {
		h.t.Errorf("replay(log) == state: %v", err)
	}
	h.conn.Close()
	if h.store != nil {
		h.store.Close()
	}
	must(h.t, h.engine.Close())
}

// restart closes the engine and opens another on the same log.
func (h *testHost) restart() {
	h.t.Helper()
	h.close()
	h.open()
}

// owner registers an owner and returns its token.
func (h *testHost) owner(id string) uint64 {
	h.t.Helper()
	var answer engine.OwnerAnswer
	must(h.t, h.conn.Call(testContext(h.t), "owner.register", engine.RegisterOwner{ID: id, TTL: time.Hour.Milliseconds()}, &answer))
	return answer.Token
}

func (h *testHost) endOwner(id string, token uint64) {
	h.t.Helper()
	must(h.t, h.conn.Call(testContext(h.t), "owner.end", engine.EndOwner{ID: id, Token: token}, nil))
	for h.engine.Snapshot().Get(engine.OwnerBucket, id) != nil {
		ctx := testContext(h.t)
		_, err := h.engine.View("").AwaitRevision(ctx, h.engine.Snapshot().Revision()+1)
		must(h.t, err)
	}
}

// submit makes a job that waits for an owner.
func (h *testHost) submit(spec Spec, opts ...SubmitOption) uint64 {
	h.t.Helper()
	id, err := h.client.Submit(testContext(h.t), spec, opts...)
	must(h.t, err)
	return id
}

// advance makes transitions of one job, one after the other.
func (h *testHost) advance(id, epoch uint64, to ...State) {
	h.t.Helper()
	for _, s := range to {
		must(h.t, h.client.AdvanceOne(testContext(h.t), id, s, epoch, nil))
	}
}

func (h *testHost) show(id uint64) *Info {
	h.t.Helper()
	info, err := h.client.Show(testContext(h.t), id)
	must(h.t, err)
	return info
}

// claimLayer gives submitted jobs to owners, as a queue would.
func claimLayer(hooks []Hook) engine.Layer {
	return engine.Layer{Name: "claims", Procedures: []engine.Procedure{
		engine.Write("test.claim", nil, func(tx *engine.Tx, in *Owned) (any, error) {
			return Claim(tx, in.ID, engine.Owner{ID: in.Control.Owner, Token: in.Control.Token}, nil, hooks...)
		}),
	}}
}

func runServer(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 16 << 20})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s
}

func connect(t testing.TB, s *server.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// openOutput makes the output stream as a host does.
func openOutput(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	streams := engine.Streams{Core: js, Names: bus.Names{Namespace: bus.DefaultNamespace}}
	must(t, streams.OpenOutput(testContext(t), "store", -1, 1<<30))
	return js
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, want bus.Code, got error) {
	t.Helper()
	if bus.CodeOf(got) != want {
		t.Fatalf("want code %q, got %q: %v", want, bus.CodeOf(got), got)
	}
}

func wantEqual[T comparable](t testing.TB, what string, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("%s: want %v, got %v", what, want, got)
	}
}

// path is the states of a job's events, in their order.
func path(events []*Event) (out []string) {
	for _, ev := range events {
		from := string(ev.From)
		if from == "" {
			from = "null"
		}
		out = append(out, fmt.Sprintf("%s→%s", from, ev.To))
	}
	return out
}

// claim gives a submitted job to an owner and returns the epoch.
func (h *testHost) claim(id uint64, owner string, token uint64) (uint64, error) {
	var ctl Control
	err := h.conn.Call(testContext(h.t), "test.claim", Owned{ID: id, Control: Control{Owner: owner, Token: token}}, &ctl)
	return ctl.Epoch, err
}
