package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"regexp"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

// TestOnce: a job is done once in a period, a failed one again, and not while
// another does it.
func TestOnce(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := func(now time.Time, pattern string, command ...string) {
		t.Helper()
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"-dir", dir, "-name", "n", "--"}, command...), now, &out, io.Discard)
		if failed := pattern == ""; failed != (err != nil) || !regexp.MustCompile("^"+pattern+"$").MatchString(out.String()) {
			t.Errorf("want %q, got %q, %v", pattern, out.String(), err)
		}
	}
	echo := []string{"sh", "-c", "echo under $FENCE"}
	want(now, "", "sh", "-c", "exit 3")
	want(now, "under [0-9]+\ndone for 2026-01-02T03:00:00Z\n", echo...)
	want(now, "done already for 2026-01-02T03:00:00Z\n", echo...)
	want(now.Add(time.Hour), "under [0-9]+\ndone for 2026-01-02T04:00:00Z\n", echo...)

	s := join(t, dir)
	l, err := atomic.NewLock(s, "n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(now.Add(2*time.Hour), "another does it now\n", echo...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(now.Add(2*time.Hour), "under [0-9]+\ndone for 2026-01-02T05:00:00Z\n", echo...)
}

// join opens a session on the bus of a directory.
func join(t *testing.T, dir string) *kvbucket.Session {
	t.Helper()
	joined, err := host.Join(t.Context(), host.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := joined.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := kvbucket.OpenSession(t.Context(), joined.Conn(), kvbucket.SessionConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLost: a job whose lock is lost is ended, and is not done.
func TestLost(t *testing.T) {
	t.Parallel()
	s := join(t, t.TempDir())
	out, in := io.Pipe()
	j := &job{"n", "p", []string{"sh", "-c", "trap 'exit 0' TERM; echo begun; while :; do sleep 0.01; done"}, in, io.Discard}
	ended := make(chan error, 1)
	go func() { // ends with the session; received below
		err := j.once(context.Background(), s)
		in.CloseWithError(err)
		ended <- err
	}()
	if _, err := io.ReadFull(out, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, atomic.ErrNoOwner) {
		t.Errorf("want %v, got %v", atomic.ErrNoOwner, err)
	}
	keys, err := kvbucket.Open(s.Conn(), "kv")
	if err != nil {
		t.Fatal(err)
	}
	if there, err := keys.Exists(t.Context(), j.key()); there || err != nil {
		t.Errorf("want nothing recorded, got %v, %v", there, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"-every", "0s", "true"}} {
		if err := run(t.Context(), args, time.Now(), io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: want %v, got %v", args, flag.ErrHelp, err)
		}
	}
}
