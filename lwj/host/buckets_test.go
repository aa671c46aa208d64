package host_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// shownBuckets lists the KV buckets that a plain client finds.
func shownBuckets(ctx context.Context, t *testing.T, bed *natstest.Bed) (names []string, js jetstream.JetStream) {
	t.Helper()
	if err := bed.Host().Engine().Flush(ctx); err != nil {
		t.Fatal(err)
	}
	nc, err := bed.Host().View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	list := js.KeyValueStoreNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Error(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names, js
}

// TestBucketsInViews: a plain client finds a bucket once it was made, with the
// history that was asked for, no more once it was removed, before and after a
// restart, and again when something is put: with that alone.
func TestBucketsInViews(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, bed *natstest.Bed, c *bus.Conn) {
		ctx := testContext(t)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		wantShown := func(want ...string) jetstream.JetStream {
			t.Helper()
			got, js := shownBuckets(ctx, t, bed)
			if !slices.Equal(want, got) {
				t.Fatalf("want the buckets %v, got %v", want, got)
			}
			return js
		}
		must(kvbucket.CreateBucket(ctx, c, "made", kvbucket.BucketConfig{History: 3}))
		wantShown("made")
		b, err := kvbucket.Open(c, "made")
		must(err)
		for range 5 {
			_, err = b.Put(ctx, "a", []byte("old"))
			must(err)
		}
		kv, err := wantShown("made").KeyValue(ctx, "made")
		must(err)
		shown, err := kv.History(ctx, "a")
		must(err)
		kept, err := b.History(ctx, "a")
		must(err)
		if len(shown) != 3 || len(kept) != 3 {
			t.Fatalf("want 3 versions, got %d and a view of %d", len(kept), len(shown))
		}
		must(kvbucket.RemoveBucket(ctx, c, "made"))
		wantShown()
		bed.Restart()
		wantShown()
		c = bed.Conn() // one in process ended with its host
		b, err = kvbucket.Open(c, "made")
		must(err)
		if _, err = b.Get(ctx, "a", kvbucket.At(kept[0].Revision)); !errors.Is(err, kvbucket.ErrCompacted) {
			t.Fatalf("want %v, got %v", kvbucket.ErrCompacted, err)
		}
		_, err = b.Put(ctx, "b", []byte("new"))
		must(err)
		kv, err = wantShown("made").KeyValue(ctx, "made")
		must(err)
		keys, err := kv.Keys(ctx)
		must(err)
		if !slices.Equal([]string{"b"}, keys) {
			t.Fatalf("want key b alone, got %v", keys)
		}
		i, err := b.Info(ctx)
		must(err)
		if i.History != kvbucket.DefaultHistory || i.Declared || i.Keys != 1 {
			t.Fatalf("want a bucket with the defaults, got %+v", i)
		}
	})
}
