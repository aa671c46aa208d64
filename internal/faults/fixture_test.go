package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// patience bounds every wait of a test; it is reached only by a failure.
const patience = 60 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// random returns a source from the flag's seed or a new one, which a failing
// test prints.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("-seed=%d", from)
		}
	})
	return rand.New(rand.NewPCG(from, 0))
}

// dial connects to whoever hosts dir.
func dial(t testing.TB, dir string, cfg bus.Config) *bus.Conn {
	t.Helper()
	c, err := bus.DialLocal(testContext(t), dir, cfg)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func open(t testing.TB, c *bus.Conn) *kvbucket.Bucket {
	t.Helper()
	b, err := kvbucket.Open(c, "kv")
	must(t, err)
	return b
}

// hosted makes the test the host of dir, whose end is checked as that of any bed.
func hosted(t testing.TB, dir string) *natstest.Bed {
	t.Helper()
	return natstest.New(t, func(c *host.Config) { c.Dir = dir })
}

// views opens a JetStream connection of a plain NATS client to the views.
func views(t testing.TB, b *natstest.Bed) jetstream.JetStream {
	t.Helper()
	nc, err := b.Host().View()
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	return js
}

// pass waits for a moment that is drawn at random: nothing is awaited by it.
func pass(ctx context.Context, r *rand.Rand, most time.Duration) {
	t := time.NewTimer(time.Duration(r.Int64N(int64(most))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func text(n int) []byte { return fmt.Append(nil, n) }
