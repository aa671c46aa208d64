package natsfacts

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A condition names its own subject or another literal one of the stream, and
// 0 means that there is no message on it. (The engine's projection.)
func TestNATSFacts_SubjectCondition(t *testing.T) {
	t.Parallel()
	ctx, _, js, _ := newStream(t, nil)
	_, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil {
		t.Fatalf("want 0 to mean none, got %v", err)
	}
	_, err = js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequencePerSubject(0))
	wantCode(t, 10071, err)
	if _, err = js.Publish(ctx, "s.b", nil, jetstream.WithExpectLastSequenceForSubject(1, "s.a")); err != nil {
		t.Errorf("want a condition on another subject, got %v", err)
	}
	_, err = js.Publish(ctx, "s.b", nil, jetstream.WithExpectLastSequenceForSubject(2, "s.a"))
	wantCode(t, 10071, err)
}

// A lost condition on the whole stream is 10071, and nothing is stored. (The
// fence of the log.)
func TestNATSFacts_LostCondition(t *testing.T) {
	t.Parallel()
	ctx, _, js, s := newStream(t, nil)
	if _, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequence(0)); err != nil {
		t.Fatalf("want 0 to mean an empty stream, got %v", err)
	}
	for _, last := range []uint64{0, 2} {
		_, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequence(last))
		wantCode(t, jetstream.JSErrCodeStreamWrongLastSequence, err)
	}
	wantLast(t, ctx, s, 1)
}

// On one replica the condition is checked before duplicates: a retry of a
// publish that was stored is refused. So 10071 is doubt, not a verdict.
// (Settling, and why the log does not use Nats-Msg-Id.)
func TestNATSFacts_RetriedCondition(t *testing.T) {
	t.Parallel()
	ctx, _, js, s := newStream(t, nil)
	for i := range 2 {
		_, err := js.Publish(ctx, "s.a", nil, jetstream.WithMsgID("same"), jetstream.WithExpectLastSequence(0), jetstream.WithRetryAttempts(0))
		if i == 0 && err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			wantCode(t, 10071, err)
		}
	}
	wantLast(t, ctx, s, 1)
}

// A chain of publishes without reply, each conditional on the one before,
// that ends in one with a reply: its success proves all of them, a missing one
// makes it fail. (Checkpoint chunks and the projection.)
func TestNATSFacts_ChainWithoutReplies(t *testing.T) {
	t.Parallel()
	const n = 100
	for _, c := range []struct {
		name string
		skip uint64 // the chain lacks the message after this sequence
		want jetstream.ErrorCode
		last uint64
	}{{"whole", n, 0, n}, {"first missing", 0, 10071, 0}, {"one missing", 50, 10071, 50}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, nc, js, s := newStream(t, nil)
			for after := range uint64(n - 1) {
				if after == c.skip {
					continue
				}
				m := nats.NewMsg("s.a")
				m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(after, 10))
				if err := nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
			_, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequence(n-1))
			wantCode(t, c.want, err)
			wantLast(t, ctx, s, c.last)
		})
	}
}

// A stream that denies deletes still takes our purges, and a purge up to a
// sequence keeps the later ones. (Trimming the log.)
func TestNATSFacts_PurgeBySequence(t *testing.T) {
	t.Parallel()
	ctx, _, js, s := newStream(t, func(c *jetstream.StreamConfig) { c.DenyDelete, c.Discard = true, jetstream.DiscardNew })
	for range 10 {
		if _, err := js.Publish(ctx, "s.a", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteMsg(ctx, 5); err == nil {
		t.Error("want a delete refused, got none")
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(7)); err != nil {
		t.Fatalf("want a purge, got %v", err)
	}
	info := must(s.Info(ctx))(t)
	if info.State.FirstSeq != 7 || info.State.LastSeq != 10 || info.State.Msgs != 4 {
		t.Errorf("want 7 to 10, got %d to %d, %d messages", info.State.FirstSeq, info.State.LastSeq, info.State.Msgs)
	}
	if _, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequence(10)); err != nil {
		t.Errorf("want the sequence to go on, got %v", err)
	}
}

// A purge of everything keeps the sequence, too. (Trimming the log.)
func TestNATSFacts_PurgeKeepsSequence(t *testing.T) {
	t.Parallel()
	ctx, _, js, s := newStream(t, nil)
	for range 3 {
		if _, err := js.Publish(ctx, "s.a", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	wantLast(t, ctx, s, 3)
	if _, err := js.Publish(ctx, "s.a", nil, jetstream.WithExpectLastSequence(3)); err != nil {
		t.Errorf("want the condition to hold, got %v", err)
	}
}

// One stream of a server that syncs always may opt out of it, but then has no
// atomic publish. (The projected buckets beside the log.)
func TestNATSFacts_AsyncPersistence(t *testing.T) {
	t.Parallel()
	ctx, _, js := newJetStreamOf(t, func(o *server.Options) { o.DontListen, o.SyncAlways = true, true })
	cfg := jetstream.StreamConfig{Name: "A", Subjects: []string{"a"}, PersistMode: jetstream.AsyncPersistMode, AllowDirect: true}
	s, err := js.CreateStream(ctx, cfg)
	if err != nil {
		t.Fatalf("want an async stream, got %v", err)
	}
	if want, got := jetstream.AsyncPersistMode, s.CachedInfo().Config.PersistMode; want != got {
		t.Errorf("want %v, got %v", want, got)
	}
	if _, err := js.Publish(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(ctx, 1); err != nil || string(m.Data) != "1" {
		t.Errorf("want what is not flushed to be readable, got %v (%v)", m, err)
	}
	cfg.Name, cfg.Subjects, cfg.AllowAtomicPublish = "B", []string{"b"}, true
	if _, err := js.CreateStream(ctx, cfg); code(err) == 0 {
		t.Errorf("want it refused with atomic publish, got %v", err)
	}
}
