package faults_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
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

// TestK24PlainClient: a plain NATS KV client sees the values, deletes and
// history of what was put, with our numbers in the headers.
func TestK24PlainClient(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	b := open(t, bed.Conn())
	keys := []string{"a", "b c", "d", "."}
	for i := range 3 {
		for _, key := range keys {
			_, err := b.Put(ctx, key, text(i))
			must(t, err)
		}
	}
	_, err := b.Delete(ctx, "d")
	must(t, err)
	p := newPlain(t, bed, "kv")
	if len(p.now) != 3 || p.now["a"] != "2" || p.now[bus.EscapeKey("b c")] != "2" {
		t.Fatalf("a plain watch shows %v", p.now)
	}
	list, err := p.kv.Keys(ctx)
	must(t, err)
	if len(list) != 3 {
		t.Fatalf("want three keys, got %v", list)
	}
	for _, key := range keys {
		sameHistory(ctx, t, b, p.kv, views(t, bed), key)
	}
	if _, err := p.kv.Get(ctx, "d"); err == nil {
		t.Fatal("a deleted key is there for a plain client")
	}
}

// sameHistory compares the history of a key, message by message.
func sameHistory(ctx context.Context, t *testing.T, b *kvbucket.Bucket, kv jetstream.KeyValue, js jetstream.JetStream, key string) {
	t.Helper()
	ours, err := b.History(ctx, key)
	must(t, err)
	theirs, err := kv.History(ctx, bus.EscapeKey(key))
	must(t, err)
	if len(ours) != len(theirs) {
		t.Fatalf("key %q: want %d versions, got %d", key, len(ours), len(theirs))
	}
	stream, err := js.Stream(ctx, "KV_"+kv.Bucket())
	must(t, err)
	for i, e := range ours {
		if deleted := theirs[i].Operation() != jetstream.KeyValuePut; deleted != (e.Op == bus.OpDelete) || string(theirs[i].Value()) != string(e.Value) {
			t.Errorf("key %q, version %d: want %v %q, got %v %q", key, i, e.Op, e.Value, theirs[i].Operation(), theirs[i].Value())
		}
		m, err := stream.GetMsg(ctx, theirs[i].Revision())
		must(t, err)
		for name, want := range map[string]uint64{bus.HeaderRevision: e.Revision, bus.HeaderPrevious: e.Previous, bus.HeaderVersion: e.Version} {
			if got := m.Header.Get(name); got != strconv.FormatUint(want, 10) {
				t.Errorf("key %q, version %d: want %s %d, got %q", key, i, name, want, got)
			}
		}
	}
}

// TestK24ForeignWrites: whatever a stranger does to a projected bucket is
// reported and put right within 5 s, and our readers never see it.
func TestK24ForeignWrites(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	bed, reported := foreignBed(t)
	b := open(t, bed.Conn())
	for _, key := range []string{"over", "gone", "purged", "kept"} {
		_, err := b.Put(ctx, key, []byte("ours"))
		must(t, err)
	}
	w, err := b.Watch(ctx)
	must(t, err)
	defer w.Close()
	if e, err := w.Next(ctx); err != nil || !e.CaughtUp {
		t.Fatalf("want caught up, got %+v (%v)", e, err)
	}
	p := newPlain(t, bed, "kv")
	for _, f := range []struct {
		key   string
		write func() error
	}{
		{"over", func() error { _, err := p.kv.Put(ctx, "over", []byte("theirs")); return err }},
		{"added", func() error { _, err := p.kv.Put(ctx, "added", []byte("theirs")); return err }},
		{"gone", func() error { return p.kv.Delete(ctx, "gone") }},
		{"purged", func() error { return p.kv.Purge(ctx, "purged") }},
		{"over", func() error { _, err := p.kv.PutString(ctx, "over", ""); return err }},
	} {
		p.undone(f.key, f.write)
		if !reported.has(f.key) {
			t.Errorf("the write to %s was not reported", f.key)
		}
		sameKeys(ctx, t, b)
	}
	_, err = b.Put(ctx, "kept", []byte("next"))
	must(t, err)
	if e, err := w.Next(ctx); err != nil || e.Entry.Key != "kept" || string(e.Entry.Value) != "next" {
		t.Fatalf("a watch shows something else than what we wrote: %+v (%v)", e.Entry, err)
	}
}

// sameKeys wants the four keys of TestK24ForeignWrites as they were put.
func sameKeys(ctx context.Context, t *testing.T, b *kvbucket.Bucket) {
	t.Helper()
	list, err := b.List(ctx, kvbucket.Range{})
	must(t, err)
	if len(list) != 4 {
		t.Fatalf("want four keys, got %d", len(list))
	}
	for _, e := range list {
		if string(e.Value) != "ours" || e.Version != 1 {
			t.Fatalf("our reader sees %s=%q, version %d", e.Key, e.Value, e.Version)
		}
	}
}

// TestJ21ForeignState: garbage in the state of a job is reported and put
// right; nobody's view of the job changes, and monitors go on.
func TestJ21ForeignState(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	bed, reported := foreignBed(t)
	client := lwj.NewClient(bed.Conn())
	var id uint64
	for id < 9 {
		var err error
		id, err = client.Submit(ctx, lwj.NewSpec("true"), lwj.External(lwj.Reserved))
		must(t, err)
	}
	m, err := client.Events(ctx, lwj.EventOptions{Now: true})
	must(t, err)
	defer m.Close()
	if ev, err := m.Next(ctx); err != nil || !ev.CaughtUp {
		t.Fatalf("want caught up, got %+v (%v)", ev, err)
	}
	before, err := client.Show(ctx, 9)
	must(t, err)
	nc, err := bed.Host().View()
	must(t, err)
	defer nc.Close()
	p := newPlain(t, bed, lwj.Bucket)
	for _, garbage := range [][]byte{[]byte("garbage"), nil, {0xc1, 0xff}} {
		p.undone("9.state", func() error {
			return nc.PublishMsg(&nats.Msg{Subject: "$KV.lwj.9.state", Data: garbage})
		})
		after, err := client.Show(ctx, 9)
		must(t, err)
		if after.State.State != before.State.State || after.Revision != before.Revision {
			t.Fatalf("job 9: want %s at %d, got %s at %d", before.State.State, before.Revision, after.State.State, after.Revision)
		}
	}
	if !reported.has("9.state") {
		t.Error("the garbage was not reported")
	}
	must(t, client.AdvanceOne(ctx, 9, lwj.Starting, 1, nil))
	ev, err := m.Next(ctx)
	if err != nil || ev.Job != 9 || ev.From != lwj.Reserved || ev.To != lwj.Starting || m.Skipped() != 0 {
		t.Fatalf("the monitor tells %+v, %d skipped (%v)", ev, m.Skipped(), err)
	}
}
