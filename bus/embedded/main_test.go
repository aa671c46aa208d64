package embedded

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

// TestMain is also the other process of the tests that need one.
func TestMain(m *testing.M) {
	if dir := os.Getenv(otherProcess); dir != "" {
		os.Exit(holdLock(dir))
	}
	goleak.VerifyTestMain(m)
}

// start starts a server that ends with the test.
func start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatalf("Start: want no error, got %v", err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// conn returns a connection that one of the server's functions makes.
func conn(t testing.TB, connect func(...nats.Option) (*nats.Conn, error)) *nats.Conn {
	t.Helper()
	nc, err := connect()
	if err != nil {
		t.Fatalf("connect: want no error, got %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// textLogger logs to w without times.
func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
