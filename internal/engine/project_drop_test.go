package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// shown is an engine over a real log whose views are in the same server.
type shownEngine struct {
	*Engine
	t       *testing.T
	server  *storeServer
	streams *Streams
}

type writeReq struct{ Verb, Bucket, Key string }

func newShownEngine(t *testing.T) *shownEngine {
	t.Helper()
	s := newStoreServer(t)
	e := &shownEngine{t: t, server: s, streams: testStreams(t, s.connect())}
	e.open()
	t.Cleanup(func() { e.Engine.Close() })
	return e
}

func (s *shownEngine) open() {
	s.t.Helper()
	layer := Layer{Name: "test", Procedures: []Procedure{Write("write", nil, func(tx *Tx, in *writeReq) (any, error) {
		switch in.Verb {
		case "put":
			tx.Put(in.Bucket, in.Key, []byte("v"))
		case "delete":
			tx.Delete(in.Bucket, in.Key, bus.ReasonDeleted)
		case "declare":
			return nil, tx.DeclareBucket(in.Bucket, 3)
		case "drop":
			return nil, tx.DropBucket(in.Bucket)
		}
		return nil, nil
	})}}
	e, err := Open(s.t.Context(), Config{
		Log: openTestLog(s.t, s.server.connect(nats.ReconnectBufSize(-1))), StoreID: []byte("0123456789abcdef"), Layers: []Layer{layer},
		Projector: ProjectInto(s.server.connect(nats.NoEcho()), "store", 1, slog.New(slog.DiscardHandler)), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Engine = e
}

// write runs "verb bucket key" one after the other.
func (s *shownEngine) write(writes ...string) {
	s.t.Helper()
	for _, w := range writes {
		f := append(strings.Fields(w), "")
		body, err := bus.Marshal(writeReq{f[0], f[1], f[2]})
		if err != nil {
			s.t.Fatal(err)
		}
		if res := s.Call(s.t.Context(), "u", "write", &bus.Request{Body: body}); res.Error != nil {
			s.t.Fatalf("%s: %v", w, res.Error)
		}
	}
}

// shows checks the keys and messages of a bucket's stream; -1: there is none.
func (s *shownEngine) shows(bucket string, keys, messages int) {
	s.t.Helper()
	if err := s.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	info, err := streamInfo(s.t.Context(), s.streams.Core, "KV_"+bucket)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && keys < 0:
	case err != nil || keys < 0:
		s.t.Errorf("%s: want %d keys, got %v %v", bucket, keys, info, err)
	case int(info.State.NumSubjects) != keys || int(info.State.Msgs) != messages:
		s.t.Errorf("%s: want %d keys in %d messages, got %+v", bucket, keys, messages, info.State)
	}
}

// TestDroppedBucketIsDeleted: what shows a dropped bucket goes and is brought
// back by nothing but a new key, also when the engine that dropped it did not
// get to it; somebody else's stream of that name stays.
func TestDroppedBucketIsDeleted(t *testing.T) {
	t.Parallel()
	s := newShownEngine(t)
	s.write("declare x", "put y k")
	s.shows("x", 0, 0) // it is there before its first key
	s.write("put x a", "put x b", "delete x a", "delete x b")
	s.shows("x", 2, 4)
	s.write("drop x")
	s.shows("x", -1, 0)
	if err := s.project.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.shows("x", -1, 0)
	s.shows("y", 1, 1)

	s.write("put x c", "delete x c", "drop x", "put x d") // at once: what is between is never shown
	s.shows("x", 1, 1)
	s.write("delete x d", "put z k", "delete z k")
	s.shows("x", 1, 2)
	s.shows("z", 1, 2)
	if err := s.project.Close(); err != nil { // it does not see what comes
		t.Fatal(err)
	}
	s.write("drop x", "put x e", "drop z")
	s.Close()
	s.open()
	s.shows("x", 1, 1)
	s.shows("z", -1, 0)
	s.shows("_bucket", -1, 0)

	s.write("delete x e", "drop x")
	s.shows("x", -1, 0)
	foreign := jetstream.StreamConfig{Name: "KV_x", Subjects: []string{"theirs.>"}}
	if _, err := s.streams.Core.CreateStream(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	s.write("put x f", "delete x f", "drop x")
	s.shows("x", 0, 0)
	if err := s.streams.DeleteBucket(context.Background(), "store", "x"); !errors.Is(err, ErrForeignStream) {
		t.Errorf("want a foreign stream, got %v", err)
	}
}

// TestDroppedWhileForgotten: a drop whose record was forgotten by the queue of
// changes is found when the state is asked.
func TestDroppedWhileForgotten(t *testing.T) {
	t.Parallel()
	s := newShownEngine(t)
	s.write("put x a", "delete x a", "put y k")
	s.shows("x", 1, 2)
	p := s.project.(*StreamProjector)
	p.queue.mu.Lock()
	p.queue.held = MaxProjectHeld // as if so much waited
	p.queue.items = append(p.queue.items, record{seq: p.queue.newSeq, from: s.Snapshot().Revision() + 1})
	p.queue.mu.Unlock()
	s.write("drop x", "put y l")
	p.queue.mu.Lock()
	p.queue.held = 0
	p.queue.signal()
	p.queue.mu.Unlock()
	s.shows("x", -1, 0)
	s.shows("y", 2, 2)
}
