package host_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// BenchmarkWord: callers that all add to one word, with and without a condition
// (which is met), in process and over the API; against raw publishes, the
// server's own counters, which know no condition, and what is done without
// either: a compare-and-swap loop over a NATS KV bucket. Raw has one connection
// of all callers, as the API has.
func BenchmarkWord(b *testing.B) {
	for _, d := range durabilities {
		for _, callers := range []int{1, 16, 64} {
			at := fmt.Sprintf("%s/callers=%d/", d.name, callers)
			for _, raw := range []struct {
				name string
				call func(*testing.B, *nats.Conn) func(int) error
			}{{"publish", rawPublish}, {"counter", rawCounter}, {"kv-loop", rawLoop}} {
				b.Run(at+"raw-"+raw.name, func(b *testing.B) { spread(b, callers, raw.call(b, rawServer(b, d.synced)())) })
			}
			for _, over := range []string{"direct", "api"} {
				b.Run(at+"add/"+over, func(b *testing.B) {
					w := benchWord(b, d.name, over)
					spread(b, callers, func(int) error { _, err := w.Add(context.Background(), 1); return err })
					sum(b, w)
				})
				b.Run(at+"addif/"+over, func(b *testing.B) {
					w := benchWord(b, d.name, over)
					spread(b, callers, func(int) error { return addIf(w, int64(b.N)) })
					sum(b, w)
				})
			}
		}
	}
}

func benchWord(b *testing.B, durability, over string) *atomic.Word {
	b.Helper()
	bed := natstest.New(b, func(c *host.Config) { c.Durability = durability })
	bed.Unchecked()
	c := bed.Direct()
	if over == "api" {
		c = bed.Conn()
	}
	w, err := atomic.Open(c, "kv", "n")
	if err != nil {
		b.Fatal(err)
	}
	return w
}

func addIf(w *atomic.Word, limit int64) error {
	_, met, err := w.AddIf(context.Background(), atomic.AddIfLess, limit, 1)
	if err == nil && !met {
		err = errors.New("the condition was not met")
	}
	return err
}

// sum wants every add in the word.
func sum(b *testing.B, w *atomic.Word) {
	b.Helper()
	if n, err := w.Load(context.Background()); err != nil || n != int64(b.N) {
		b.Errorf("want %d, got %d, %v", b.N, n, err)
	}
}

// rawPublish stores a number, and nobody adds.
func rawPublish(b *testing.B, nc *nats.Conn) func(int) error {
	js := rawStream(b, nc)
	return func(i int) error {
		_, err := js.Publish(context.Background(), "r.n", strconv.AppendInt(nil, int64(i), 10))
		return err
	}
}

// rawCounter lets the server add (NATS ADR-49).
func rawCounter(b *testing.B, nc *nats.Conn) func(int) error {
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "R", Subjects: []string{"r.>"}, AllowMsgCounter: true, AllowDirect: true}); err != nil {
		b.Fatal(err)
	}
	return func(int) error {
		_, err := js.PublishMsg(context.Background(), &nats.Msg{Subject: "r.n", Header: nats.Header{"Nats-Incr": {"+1"}}})
		return err
	}
}

// rawLoop reads and writes on condition that nobody wrote meanwhile, until it
// is so.
func rawLoop(b *testing.B, nc *nats.Conn) func(int) error {
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "kv"})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := kv.Put(ctx, "n", []byte("0")); err != nil {
		b.Fatal(err)
	}
	return func(int) error {
		for {
			if err := addOnce(ctx, kv); !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
		}
	}
}

// addOnce is one try. Its error is jetstream.ErrKeyExists when another caller
// was faster.
func addOnce(ctx context.Context, kv jetstream.KeyValue) error {
	e, err := kv.Get(ctx, "n")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(e.Value()))
	if err != nil {
		return err
	}
	_, err = kv.Update(ctx, "n", strconv.AppendInt(nil, int64(n)+1, 10), e.Revision())
	return err
}
