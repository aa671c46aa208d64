package faults_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
)

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
