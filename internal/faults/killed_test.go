package faults_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// killWindow bounds the time between an acknowledgement and the kill.
const killWindow = 20 * time.Millisecond

// triple writes one number into three keys, again and again.
type triple struct {
	bucket  *kvbucket.Bucket
	started atomic.Int64 // the newest number that was sent
	acked   atomic.Int64 // the newest number that was acknowledged
	beat    chan struct{}
}

// run writes until ctx ends. A write that was begun is ended.
func (w *triple) run(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		n := int(w.started.Add(1))
		_, err := w.bucket.PutAll(context.WithoutCancel(ctx), []kvbucket.KV{{Key: "a", Value: text(n)}, {Key: "b", Value: text(n)}, {Key: "c", Value: text(n)}})
		if err != nil {
			t.Errorf("write %d: %v", n, err)
			return
		}
		w.acked.Store(int64(n))
		select {
		case w.beat <- struct{}{}:
		default:
		}
	}
}

// progress waits for an acknowledgement that comes after the call.
func (w *triple) progress(ctx context.Context, t *testing.T) {
	t.Helper()
	for was := w.acked.Load(); w.acked.Load() <= was; {
		select {
		case <-w.beat:
		case <-ctx.Done():
			t.Fatalf("no write was acknowledged: %v", context.Cause(ctx))
		}
	}
}

// check reads the three keys: whole, and nothing acknowledged lost.
func (w *triple) check(ctx context.Context, t *testing.T, b *kvbucket.Bucket) {
	t.Helper()
	acked := w.acked.Load()
	list, err := b.List(ctx, kvbucket.Range{})
	must(t, err)
	if len(list) != 3 {
		t.Fatalf("want three keys, got %d", len(list))
	}
	for _, e := range list {
		if string(e.Value) != string(list[0].Value) || e.Revision != list[0].Revision {
			t.Fatalf("half a transaction: %s=%s at %d, %s=%s at %d", list[0].Key, list[0].Value, list[0].Revision, e.Key, e.Value, e.Revision)
		}
		if string(e.Value) != string(text(int(e.Version))) {
			t.Fatalf("number %s is version %d: a write was lost or done twice", e.Value, e.Version)
		}
	}
	if list[0].Version < uint64(acked) {
		t.Fatalf("want at least the acknowledged %d, got %d", acked, list[0].Version)
	}
}

// TestK25KilledHost: kill -9 of the host at random moments of transactions of
// three keys leaves each of them whole or undone, what was acknowledged done,
// and the KV bucket equal to the state.
func TestK25KilledHost(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience+time.Duration(*kills)*time.Second)
	defer cancel()
	dir, r := t.TempDir(), random(t)
	hosts := newRelay(t, dir)
	w := &triple{bucket: open(t, dial(t, dir, bus.Config{RequestTimeout: patience})), beat: make(chan struct{}, 1)}
	reader := open(t, dial(t, dir, bus.Config{}))
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); w.run(running, t) }()
	for range *kills {
		hosts.prepare()
		w.progress(ctx, t)
		pass(ctx, r, killWindow)
		hosts.crash()
		hosts.recovered()
		w.check(ctx, t, reader)
	}
	w.progress(ctx, t)
	stop()
	<-done
	w.check(ctx, t, reader)
	hosts.stop()
	bed := hosted(t, dir) // its end compares the KV bucket with the state
	w.check(ctx, t, open(t, bed.Direct()))
	t.Logf("%d transactions through %d kills", w.acked.Load(), *kills)
}
