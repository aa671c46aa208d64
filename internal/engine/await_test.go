package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func want(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}

// TestAwaitAny: a wait ends with a change of any of its keys, above a revision,
// and with no other; a change before the wait counts, too.
func TestAwaitAny(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		keys := []engine.WaitKey{{Bucket: "b", Key: "k"}, {Bucket: "b", Key: "l"}, {Bucket: "b", Key: "k"}}
		var got *engine.View
		wait := func(ctx context.Context, after uint64) error {
			v, err := b.e.View("u").AwaitAny(ctx, keys, after)
			got = v
			return err
		}
		done := make(chan error, 1)
		go func() { done <- wait(t.Context(), 0) }()
		synctest.Wait()
		b.must("put", kvReq{Key: "other", Value: "1"})
		synctest.Wait()
		want(t, 0, len(done))
		b.must("put", kvReq{Key: "l", Value: "2"})
		want(t, nil, <-done)
		want(t, [2]any{"2", uint64(2)}, [2]any{string(got.Get("b", "l").Value), got.Revision()})
		want(t, nil, wait(t.Context(), 1))
		go func() { done <- wait(t.Context(), 2) }()
		synctest.Wait()
		b.must("delete", kvReq{Key: "l"})
		want(t, nil, <-done)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- wait(ctx, 3) }()
		synctest.Wait()
		cancel()
		want(t, true, errors.Is(<-done, context.Canceled))
		go func() { done <- wait(t.Context(), 3) }()
		synctest.Wait()
		b.e.Close()
		want(t, true, errors.Is(<-done, bus.ErrClosed))
	})
}

// TestOwnerKeys: the end of an owner, registered or not, wakes who waits for
// what the view said of it.
func TestOwnerKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin, end func(b *bed)
		id         string
		keys       []engine.WaitKey
	}{
		"registered": {
			func(b *bed) { b.ask("owner.register", engine.RegisterOwner{ID: "o"}) },
			func(b *bed) { b.ask("owner.end", engine.EndOwner{ID: "o"}) },
			"o", []engine.WaitKey{{Bucket: engine.OwnerBucket, Key: "o"}},
		},
		"virtual": {
			func(b *bed) { b.steps(step{Kind: "live", Key: "x"}) },
			func(b *bed) { b.steps(step{Kind: "end", Key: "x"}) },
			"v_x", []engine.WaitKey{{Bucket: engine.OwnerBucket, Key: "v_x"}, {Bucket: virtuals, Key: "x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, owners)
			v := b.e.View("u")
			_, ok, _ := v.OwnerKeys(c.id)
			want(t, false, ok)
			c.begin(b)
			v = b.e.View("u")
			o, ok, keys := v.OwnerKeys(c.id)
			want(t, true, ok)
			want(t, engine.Owner{ID: c.id, Token: 1}, o)
			want(t, c.keys, keys)
			done := make(chan bool, 1)
			go func() {
				v, err := v.AwaitAny(t.Context(), keys, v.Revision())
				_, alive := v.Owner(c.id)
				done <- err == nil && !alive
			}()
			c.end(b)
			want(t, true, <-done)
		})
	}
}

// TestVersion: a single version is found in the history of its key, or among
// the recent changes.
func TestVersion(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const puts = engine.DefaultHistory + 10
	for range puts {
		b.must("put", kvReq{Key: "k", Value: "v"})
	}
	b.must("delete", kvReq{Key: "k"})
	v := b.e.View("u")
	for r := uint64(1); r <= puts+1; r++ {
		c := v.Version("b", "k", r)
		if c == nil || c.Revision != r {
			t.Fatalf("want the version of revision %d, got %+v", r, c)
		}
	}
	for _, key := range []string{"k", "l"} {
		for _, r := range []uint64{0, puts + 2} {
			if c := v.Version("b", key, r); c != nil {
				t.Fatalf("key %s at revision %d: want none, got %+v", key, r, c)
			}
		}
	}
	if v.Version("b", "l", 1) != nil || v.Version("other", "k", 1) != nil {
		t.Fatal("want no version of other keys and buckets")
	}
}
