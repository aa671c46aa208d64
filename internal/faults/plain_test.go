package faults_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// putRightWithin is how soon a foreign write is undone.
const putRightWithin = 5 * time.Second

// reports is a slog.Handler that keeps which keys foreign writes were reported of.
type reports struct {
	slog.Handler
	mu   sync.Mutex
	keys map[string]bool
}

func newReports() *reports {
	return &reports{Handler: slog.DiscardHandler, keys: map[string]bool{}}
}

// Enabled is true: all are looked at.
func (r *reports) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps the attribute "key" of what is said of buckets.
func (r *reports) Handle(_ context.Context, rec slog.Record) error {
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "key" && rec.Level >= slog.LevelWarn {
			r.mu.Lock()
			r.keys[a.Value.String()] = true
			r.mu.Unlock()
		}
		return true
	})
	return nil
}

func (r *reports) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[key]
}

// foreignBed is a host whose reports are kept.
func foreignBed(t *testing.T) (*natstest.Bed, *reports) {
	t.Helper()
	r := newReports()
	return natstest.New(t, func(c *host.Config) { c.Logger = slog.New(r) }), r
}

// plain is a plain NATS KV client's view of a bucket, kept up by a watch.
type plain struct {
	t    *testing.T
	kv   jetstream.KeyValue
	w    jetstream.KeyWatcher
	now  map[string]string
	seen map[string]int // messages of each key
}

func newPlain(t *testing.T, bed *natstest.Bed, bucket string) *plain {
	t.Helper()
	ctx := testContext(t)
	must(t, bed.Host().Engine().Flush(ctx))
	kv, err := views(t, bed).KeyValue(ctx, bucket)
	must(t, err)
	w, err := kv.WatchAll(ctx)
	must(t, err)
	t.Cleanup(func() { w.Stop() })
	p := &plain{t: t, kv: kv, w: w, now: map[string]string{}, seen: map[string]int{}}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		p.take(e)
	}
	return p
}

func (p *plain) take(e jetstream.KeyValueEntry) {
	p.seen[e.Key()]++
	if e.Operation() == jetstream.KeyValuePut {
		p.now[e.Key()] = string(e.Value())
		return
	}
	delete(p.now, e.Key())
}

// undone makes a foreign write of key and waits until it was seen and the key
// is again what it was.
func (p *plain) undone(key string, write func() error) {
	p.t.Helper()
	want, there := p.now[key]
	before := p.seen[key]
	must(p.t, write())
	limit := time.NewTimer(putRightWithin)
	defer limit.Stop()
	for {
		got, still := p.now[key]
		if p.seen[key] >= before+2 && got == want && there == still {
			return
		}
		select {
		case e := <-p.w.Updates():
			p.take(e)
		case <-limit.C:
			p.t.Fatalf("key %s was not put right: want %q (%v), got %q (%v)", key, want, there, got, still)
		}
	}
}
