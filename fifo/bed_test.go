package fifo_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// patience bounds what a test waits for.
const patience = 60 * time.Second

// bed is an engine on a log in memory and the ways of clients to it.
type bed struct {
	t      testing.TB
	log    *enginetest.MemLog
	engine atomic.Pointer[engine.Engine]
	url    string // of the server; "" in fake time

	lose  atomic.Pointer[func(verb string) bool] // whether the answer to a request is lost
	calls atomic.Int64

	mu     sync.Mutex
	held   int        // requests that wait at the engine
	change *sync.Cond // of held
}

func (b *bed) open() {
	b.t.Helper()
	e, err := engine.Open(b.t.Context(), engine.Config{
		Log: b.log, StoreID: make([]byte, 16), Layers: []engine.Layer{kvbucket.Layer(), fifo.Layer()}, Logger: slog.New(slog.DiscardHandler),
	})
	check(b.t, err)
	b.engine.Store(e)
}

func (b *bed) restart() {
	b.t.Helper()
	check(b.t, b.engine.Load().Close())
	b.open()
}

// close checks that the fold of the log is the state, and ends the engine.
func (b *bed) close() {
	b.t.Helper()
	if !b.t.Failed() {
		if _, err := b.engine.Load().CheckLog(b.t.Context()); err != nil {
			b.t.Errorf("the fold of the log: %v", err)
		}
	}
	check(b.t, b.engine.Load().Close())
}

// submit asks the engine of the moment; answer is called unless it is lost.
func (b *bed) submit(user, verb string, req *bus.Request, answer func(*bus.Response)) {
	b.calls.Add(1)
	b.engine.Load().Submit(user, verb, req, func(res *bus.Response) {
		b.hold(req, -1)
		if lose := b.lose.Load(); lose == nil || !(*lose)(verb) {
			answer(res)
		}
	})
	b.hold(req, 1) // it is in the queue
}

// hold counts the requests that may wait.
func (b *bed) hold(req *bus.Request, n int) {
	if req.Wait == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += n
	b.change.Broadcast()
}

// blocked returns when n requests wait at the engine: once that many are in
// its queue and it has looked at everything in it.
func (b *bed) blocked(n int) {
	b.t.Helper()
	b.mu.Lock()
	for b.held != n {
		b.change.Wait()
	}
	b.mu.Unlock()
	body, err := bus.Marshal([]any{"nobody", 0, 0, false, 0})
	check(b.t, err)
	b.engine.Load().Call(b.t.Context(), "test", "fifo.giveup", &bus.Request{Body: body})
}

// Call asks in process.
func (b *bed) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	answer := make(chan *bus.Response, 1)
	b.submit(user, verb, req, func(res *bus.Response) { answer <- res })
	select {
	case res := <-answer:
		return res
	case <-ctx.Done():
		return nil
	}
}

// serve answers a request that came over the network.
func (b *bed) serve(m *nats.Msg) {
	req, parts := new(bus.Request), strings.SplitN(m.Subject, ".", 5)
	if bus.Unmarshal(m.Data, req) != nil {
		return
	}
	b.submit(parts[3], parts[4], req, func(res *bus.Response) {
		if data, err := bus.Marshal(res); err == nil {
			_ = m.Respond(data)
		}
	})
}

func newBed(t testing.TB) *bed {
	b := &bed{t: t, log: &enginetest.MemLog{}}
	b.change = sync.NewCond(&b.mu)
	b.open()
	return b
}

// inProcess and overNetwork are the two ways of clients.
var transports = map[string]func(testing.TB) (*bed, *bus.Conn){"direct": inProcess, "network": overNetwork}

func inProcess(t testing.TB) (*bed, *bus.Conn) {
	t.Helper()
	b := newBed(t)
	t.Cleanup(b.close)
	return b, b.connect(bus.Config{Direct: b})
}

func overNetwork(t testing.TB) (*bed, *bus.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: bus.MaxMessage})
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	b := newBed(t)
	b.url = s.ClientURL()
	t.Cleanup(b.close)
	nc := b.dial()
	_, err = nc.Subscribe("lwj.api.v1.*.>", b.serve)
	check(t, err)
	check(t, nc.Flush())
	return b, b.connect(bus.Config{NATS: b.dial()})
}

func (b *bed) dial() *nats.Conn {
	b.t.Helper()
	nc, err := nats.Connect(b.url)
	check(b.t, err)
	b.t.Cleanup(func() {
		closed := nc.StatusChanged(nats.CLOSED)
		nc.Close()
		<-closed
	})
	return nc
}

func (b *bed) connect(cfg bus.Config) *bus.Conn {
	b.t.Helper()
	c, err := bus.New(cfg)
	check(b.t, err)
	b.t.Cleanup(func() { check(b.t, c.Close()) })
	return c
}

// inFakeTime runs a test in fake time, in process.
func inFakeTime(t *testing.T, test func(t *testing.T, b *bed, c *bus.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		c, err := bus.New(bus.Config{Direct: b})
		check(t, err)
		test(t, b, c)
		check(t, c.Close())
		b.close()
	})
}

// sleep lets fake time pass, and whatever is due in it happen.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, want, got error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("want the error %v, got %v", want, got)
	}
}

func same[T comparable](t testing.TB, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("want %v, got %v", want, got)
	}
}
