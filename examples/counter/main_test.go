package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // a second time in the same directory, too
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), []string{"-dir", dir}, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		if want, got := "8 are at work\nnobody is left\n", stdout.String(); want != got {
			t.Errorf("want\n%s\ngot\n%s", want, got)
		}
	}
}

func newBucket(t *testing.T) *kvbucket.Bucket {
	t.Helper()
	session, err := host.Join(t.Context(), host.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := kvbucket.Open(session.Conn(), "kv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCounter wants no increment lost among many callers, and the block to be
// left in any case.
func TestCounter(t *testing.T) {
	t.Parallel()
	const callers, rounds = 8, 5
	ctx, b := t.Context(), newBucket(t)
	c, err := openCounter(ctx, b, "n")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range rounds {
				if _, err := c.increment(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, err := c.get(ctx); got != callers*rounds || err != nil {
		t.Errorf("want %d, got %d, %v", callers*rounds, got, err)
	}
	failure := errors.New("it fails inside")
	var within uint64
	gone, leave := context.WithCancel(ctx)
	got := c.inside(gone, func(ctx context.Context) (err error) {
		within, err = c.get(ctx)
		leave()
		return errors.Join(err, failure)
	})
	if want := uint64(callers*rounds + 1); within != want || !errors.Is(got, failure) {
		t.Errorf("want %d inside and %v, got %d and %v", want, failure, within, got)
	}
	if got, err := c.get(ctx); got != callers*rounds || err != nil {
		t.Errorf("want %d behind it, got %d, %v", callers*rounds, got, err)
	}
}

// TestWaitZero wants a wait for what is there already to end, and one for what
// can no longer come to fail.
func TestWaitZero(t *testing.T) {
	t.Parallel()
	ctx, b := t.Context(), newBucket(t)
	c, err := openCounter(ctx, b, "n")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.waitZero(ctx); err != nil {
		t.Errorf("want no error of a counter at 0, got %v", err)
	}
	if _, err := c.decrement(ctx); !errors.Is(err, errBelowZero) {
		t.Errorf("want %v, got %v", errBelowZero, err)
	}
	waited := make(chan error, 1)
	err = c.inside(ctx, func(ctx context.Context) error {
		go func() { waited <- c.waitZero(ctx) }() // ends with the block; received below
		return nil
	})
	if err := errors.Join(err, <-waited); err != nil {
		t.Errorf("want no error of a wait for the end of a block, got %v", err)
	}
	if _, err := b.Put(ctx, "n", []byte("many")); err != nil {
		t.Fatal(err)
	}
	if _, err := openCounter(ctx, b, "n"); !errors.Is(err, errNoCounter) {
		t.Errorf("want %v, got %v", errNoCounter, err)
	}
	if err := c.waitZero(ctx); !errors.Is(err, errNoCounter) {
		t.Errorf("want %v, got %v", errNoCounter, err)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-key", ""}, {"-workers", "1"}} {
		if err := run(t.Context(), append(args, "-dir", t.TempDir()), io.Discard, io.Discard); err == nil {
			t.Errorf("%q: want an error, got none", args)
		}
	}
}
