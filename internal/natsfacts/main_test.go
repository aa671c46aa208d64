package natsfacts

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

// timeout is for what happens at once on a machine that is not busy.
const timeout = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer starts a server on a random loopback port with JetStream, after
// change has had its way with the options.
func newServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, DisableJetStreamBanner: true, StoreDir: t.TempDir()}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(timeout) {
		t.Fatal("want a server, got none")
	}
	return s
}

// dontListen are the options of a server that only this process reaches.
func dontListen(o *server.Options) { o.DontListen = true }

// configured adds configuration text to the options.
func configured(t testing.TB, text string) func(*server.Options) {
	return func(o *server.Options) {
		t.Helper()
		if err := o.ProcessConfigString(text); err != nil {
			t.Fatal(err)
		}
	}
}

// connect returns an in-process connection.
func connect(t testing.TB, s *server.Server, o ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", append(o, nats.InProcessServer(s))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// newStream starts a server with one stream, S on s.>, after change had its
// way with the config.
func newStream(t testing.TB, change func(*jetstream.StreamConfig)) (context.Context, *nats.Conn, jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	ctx, nc, js := newJetStream(t)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowDirect: true}
	if change != nil {
		change(&cfg)
	}
	s, err := js.CreateStream(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, nc, js, s
}

func newJetStream(t testing.TB) (context.Context, *nats.Conn, jetstream.JetStream) {
	t.Helper()
	return newJetStreamOf(t, dontListen)
}

func newJetStreamOf(t testing.TB, change func(*server.Options)) (context.Context, *nats.Conn, jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	nc := connect(t, newServer(t, change))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, nc, js
}

// code returns the JetStream error code of err, 0 for none.
func code(err error) jetstream.ErrorCode {
	var e *jetstream.APIError
	if errors.As(err, &e) {
		return e.ErrorCode
	}
	return 0
}

func wantCode(t *testing.T, want jetstream.ErrorCode, err error) {
	t.Helper()
	if got := code(err); want != got {
		t.Errorf("want JetStream error %d, got %d (%v)", want, got, err)
	}
}

// wantLast wants the stream's last sequence to be want.
func wantLast(t *testing.T, ctx context.Context, s jetstream.Stream, want uint64) {
	t.Helper()
	info, err := s.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.State.LastSeq; want != got {
		t.Errorf("want last sequence %d, got %d", want, got)
	}
}

// must fails the test for an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
