package engine

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

func newTestCheckpoints(t testing.TB) (*storeServer, *nats.Conn, *StreamCheckpoints) {
	t.Helper()
	s := newStoreServer(t)
	nc := s.connect()
	streams := testStreams(t, nc)
	store, err := streams.OpenLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.OpenCheckpoints(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	c, err := NewStreamCheckpoints(nc, streams.Names, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, nc, c
}

func save(t testing.TB, c Checkpoints, pieces ...[]byte) {
	t.Helper()
	err := c.Save(t.Context(), func(chunk func([]byte) error) error {
		for _, p := range pieces {
			if err := chunk(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func load(c Checkpoints, nth int) ([]byte, error) {
	var all []byte
	err := c.Load(context.Background(), nth, func(chunk []byte) error { all = append(all, chunk...); return nil })
	return all, err
}

func randomBytes(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestCheckpointSaveLoad(t *testing.T) {
	t.Parallel()
	s, _, c := newTestCheckpoints(t)
	if _, err := load(c, 0); !errors.Is(err, ErrNoCheckpoint) {
		t.Fatalf("want ErrNoCheckpoint, got %v", err)
	}
	big := randomBytes(3*CheckpointChunk + 17)
	save(t, c, []byte("head"), big[:10], big[10:2*CheckpointChunk], big[2*CheckpointChunk:])
	want := append([]byte("head"), big...)
	if got, err := load(c, 0); err != nil || !bytes.Equal(want, got) {
		t.Fatalf("want %d bytes back, got %d, %v", len(want), len(got), err)
	}
	save(t, c, []byte("second"))
	save(t, c) // empty
	save(t, c, []byte("fourth"))
	s.reboot()
	for nth, want := range []string{"fourth", ""} {
		if got, err := load(c, nth); err != nil || string(got) != want {
			t.Fatalf("want %q, got %q, %v", want, got, err)
		}
	}
	if _, err := load(c, 2); !errors.Is(err, ErrNoCheckpoint) {
		t.Fatalf("want two kept, got %v", err)
	}
	if counts, err := c.counts(t.Context()); err != nil || len(counts) != 2 {
		t.Fatalf("want the older ones gone, got %v, %v", counts, err)
	}
}

func TestCheckpointUnsealed(t *testing.T) {
	t.Parallel()
	_, _, c := newTestCheckpoints(t)
	save(t, c, []byte("good"))
	stop := errors.New("stop")
	err := c.Save(t.Context(), func(chunk func([]byte) error) error {
		if err := chunk(make([]byte, 2*CheckpointChunk)); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("want the writer's error, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = c.Save(ctx, func(chunk func([]byte) error) error {
		cancel()
		return chunk([]byte("x"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("want the context's error, got %v", err)
	}
	if got, err := load(c, 0); err != nil || string(got) != "good" {
		t.Fatalf("want the sealed one, got %q, %v", got, err)
	}
}

func TestCheckpointBroken(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]struct {
		do      func(t *testing.T, nc *nats.Conn, c *StreamCheckpoints, newest string)
		visible bool // only the hash shows it
	}{
		"chunk lost":     {func(t *testing.T, _ *nats.Conn, c *StreamCheckpoints, id string) { purge(t, c, id+".0") }, false},
		"seal lost":      {func(t *testing.T, _ *nats.Conn, c *StreamCheckpoints, id string) { purge(t, c, id+".seal") }, false},
		"seal malformed": {func(t *testing.T, nc *nats.Conn, c *StreamCheckpoints, id string) { publish(t, nc, c, id+".seal") }, false},
		"chunk more":     {func(t *testing.T, nc *nats.Conn, c *StreamCheckpoints, id string) { publish(t, nc, c, id+".1") }, false},
		"chunk altered": {func(t *testing.T, nc *nats.Conn, c *StreamCheckpoints, id string) {
			purge(t, c, id+".0")
			publish(t, nc, c, id+".0")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, nc, c := newTestCheckpoints(t)
			save(t, c, []byte("old"))
			save(t, c, []byte("new"))
			counts, err := c.counts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := c.sealed(t.Context(), counts)
			if err != nil || len(sealed) != 2 {
				t.Fatal(sealed, err)
			}
			breakIt.do(t, nc, c, sealed[0].id)
			nth := 0
			if breakIt.visible {
				if _, err := load(c, 0); bus.CodeOf(err) != bus.CodeStore {
					t.Fatalf("want a store error for a wrong hash, got %v", err)
				}
				nth = 1
			}
			if got, err := load(c, nth); err != nil || string(got) != "old" {
				t.Fatalf("want the older one, got %q, %v", got, err)
			}
		})
	}
}

func purge(t *testing.T, c *StreamCheckpoints, suffix string) {
	t.Helper()
	stream, err := c.js.Stream(t.Context(), c.stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(c.subject+"."+suffix)); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, nc *nats.Conn, c *StreamCheckpoints, suffix string) {
	t.Helper()
	if _, err := c.js.Publish(t.Context(), c.subject+"."+suffix, []byte("junk")); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCheckpointSave(b *testing.B) {
	_, _, c := newTestCheckpoints(b)
	piece := randomBytes(64 << 10)
	const pieces = 1600 // 100 MiB
	b.SetBytes(int64(len(piece) * pieces))
	for b.Loop() {
		err := c.Save(b.Context(), func(chunk func([]byte) error) error {
			for range pieces {
				if err := chunk(piece); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
