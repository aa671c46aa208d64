package natstest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// startTimeout bounds the start of a host in a test.
const startTimeout = 30 * time.Second

// Bed is a host under test. Its methods fail the test where they cannot do
// what they are for.
type Bed struct {
	t      testing.TB
	cfg    host.Config
	host   *host.Host
	failed bool // the test broke the store on purpose: nothing is checked
}

// New starts a host. change may alter its configuration.
func New(t testing.TB, change ...func(*host.Config)) *Bed {
	t.Helper()
	b := &Bed{t: t, cfg: host.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}}
	for _, f := range change {
		f(&b.cfg)
	}
	b.start()
	t.Cleanup(b.end)
	return b
}

func (b *Bed) start() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	h, err := host.Start(ctx, b.cfg)
	if err != nil {
		b.t.Fatalf("start the host: %v", err)
	}
	b.host = h
}

// Host is the host that runs now.
func (b *Bed) Host() *host.Host { return b.host }

// Dir is the data directory.
func (b *Bed) Dir() string { return b.cfg.Dir }

// Stop ends the host in order; Start starts the next on the same store.
func (b *Bed) Stop() {
	b.t.Helper()
	if err := b.host.Close(); err != nil {
		b.t.Errorf("close the host: %v", err)
	}
}

// Start starts a host on the bed's store.
func (b *Bed) Start() {
	b.t.Helper()
	b.start()
}

// Restart is Stop and Start.
func (b *Bed) Restart() {
	b.t.Helper()
	b.Stop()
	b.start()
}

// Unchecked tells that the test damages the store on purpose.
func (b *Bed) Unchecked() { b.failed = true }

// Conn returns a connection over the network, as another process has it: it
// outlives restarts of the host. The test's end closes it.
func (b *Bed) Conn(change ...func(*bus.Config)) *bus.Conn {
	b.t.Helper()
	cfg := bus.Config{Namespace: b.cfg.Namespace}
	for _, f := range change {
		f(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := bus.DialLocal(ctx, b.cfg.Dir, cfg)
	if err != nil {
		b.t.Fatalf("connect: %v", err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// Direct returns a connection in process. It ends with the host that runs now.
func (b *Bed) Direct() *bus.Conn {
	b.t.Helper()
	c, err := b.host.Conn()
	if err != nil {
		b.t.Fatalf("connect: %v", err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// Transports calls test once with a connection in process and once over the
// API, each with a bed of its own: what holds for one holds for the other.
func Transports(t *testing.T, test func(t *testing.T, b *Bed, c *bus.Conn)) {
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		b := New(t)
		test(t, b, b.Direct())
	})
	t.Run("api", func(t *testing.T) {
		t.Parallel()
		b := New(t)
		test(t, b, b.Conn())
	})
}

// end checks and closes the bed.
func (b *Bed) end() {
	if b.host.Err() == nil && !b.failed && !b.t.Failed() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if err := Check(ctx, b.host); err != nil && !errors.Is(err, bus.ErrClosed) {
			b.t.Errorf("after the test: %v", err)
		}
	}
	if err := b.host.Close(); err != nil {
		b.t.Errorf("close the host: %v", err)
	}
}
