package natsfacts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

func newBucket(t *testing.T, history uint8) (context.Context, *nats.Conn, jetstream.JetStream, jetstream.KeyValue) {
	t.Helper()
	ctx, nc, js := newJetStream(t)
	return ctx, nc, js, must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "kv", History: history}))(t)
}

// Keys are [-/_=.A-Za-z0-9]+ without a dot at either end. (bus.EscapeKey.)
func TestNATSFacts_KeyAlphabet(t *testing.T) {
	t.Parallel()
	ctx, _, _, kv := newBucket(t, 1)
	for _, key := range []string{"a", "a.b", "-", "/", "_", "=", "=2E", "a/b=c_d-e.F9", "_owner.x"} {
		if _, err := kv.PutString(ctx, key, "1"); err != nil {
			t.Errorf("%q: want it taken, got %v", key, err)
		}
	}
	for _, key := range []string{"", " ", "a b", "a:b", "a@b", "é", "*", ">", "a.*", ".a", "a.", "a..b", "a\x00b", "a%b", "a+b", "a,b"} {
		if _, err := kv.PutString(ctx, key, "1"); !errors.Is(err, jetstream.ErrInvalidKey) && err == nil {
			t.Errorf("%q: want it refused, got it taken", key)
		}
	}
}

// A raw publish stores keys that the client refuses. (Foreign writes into our
// buckets.)
func TestNATSFacts_RawPublishOfBadKeys(t *testing.T) {
	t.Parallel()
	ctx, _, js, kv := newBucket(t, 1)
	if _, err := kv.Get(ctx, "a:b"); !errors.Is(err, jetstream.ErrInvalidKey) {
		t.Errorf("want ErrInvalidKey, got %v", err)
	}
	if _, err := js.Publish(ctx, "$KV.kv.a:b", nil); err != nil {
		t.Errorf("want it stored, got %v", err)
	}
}

// To resume before the oldest kept revision is no error; the watch starts
// later. (Why compaction is found by links and not by the watch.)
func TestNATSFacts_ResumeBeforeTheOldest(t *testing.T) {
	t.Parallel()
	ctx, _, _, kv := newBucket(t, 1)
	for _, v := range []string{"1", "2", "3"} {
		if _, err := kv.PutString(ctx, "a", v); err != nil {
			t.Fatal(err)
		}
	}
	w, err := kv.WatchAll(ctx, jetstream.ResumeFromRevision(1))
	if err != nil {
		t.Fatalf("want no error, got %v", err)
	}
	defer w.Stop()
	select {
	case e := <-w.Updates():
		if want, got := uint64(3), e.Revision(); want != got {
			t.Errorf("want revision %d, got %d", want, got)
		}
	case <-ctx.Done():
		t.Error("want an update, got none")
	}
}

// A control line over 4,096 bytes closes the connection that carried it.
// (bus.MaxKey, checked before anything is sent.)
func TestNATSFacts_LongSubject(t *testing.T) {
	t.Parallel()
	s := newServer(t, dontListen)
	closed := make(chan struct{})
	nc := connect(t, s, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err := nc.Publish(strings.Repeat("k", 3000), nil); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(timeout); err != nil {
		t.Fatalf("want 3,000 bytes taken, got %v", err)
	}
	if err := nc.Publish(strings.Repeat("k", 5000), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(timeout):
		t.Error("want the connection closed, got it open")
	}
}

// Who may write one key can erase the bucket, and make another's message
// vanish with an acknowledgement. (Why the host strips every Nats-* header.)
func TestNATSFacts_DangerousHeaders(t *testing.T) {
	t.Parallel()
	ctx, _, js, kv := newBucket(t, 1)
	for _, key := range []string{"a", "b", "c"} {
		must(kv.PutString(ctx, key, "1"))(t)
	}
	rollup := nats.NewMsg("$KV.kv.mine")
	rollup.Header.Set("Nats-Rollup", "all")
	must(js.PublishMsg(ctx, rollup))(t)
	if keys := must(kv.Keys(ctx))(t); len(keys) != 1 || keys[0] != "mine" {
		t.Errorf("want the other keys erased, got %v", keys)
	}
	must(js.Publish(ctx, "$KV.kv.mine", nil, jetstream.WithMsgID("next")))(t)
	ack := must(js.Publish(ctx, "$KV.kv.theirs", nil, jetstream.WithMsgID("next")))(t)
	if _, err := kv.Get(ctx, "theirs"); !ack.Duplicate || !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("want it gone as a duplicate, got %v, %v", ack, err)
	}
}

// PublishMsgBatch panics on a message without a header. (Why we would have to
// make one.)
func TestNATSFacts_BatchNilHeader(t *testing.T) {
	t.Parallel()
	ctx, _, js, _ := newStream(t, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = true })
	defer func() {
		if recover() == nil {
			t.Error("want a panic, got none")
		}
	}()
	jetstreamext.PublishMsgBatch(ctx, js, []*nats.Msg{{Subject: "s.a"}, {Subject: "s.b"}})
}
