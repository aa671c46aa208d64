package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"

	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

// join makes the test a host of its own.
func join(t *testing.T) (c *lwj.Client, dir string) {
	t.Helper()
	dir = t.TempDir()
	session, err := host.Join(t.Context(), host.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return lwj.NewClient(session.Conn()), dir
}

// life takes a job through its states and returns what a monitor prints of it.
func life(t *testing.T, c *lwj.Client) string {
	t.Helper()
	id, err := c.Submit(t.Context(), lwj.NewSpec("true"), lwj.External(lwj.Reserved))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []lwj.State{lwj.Starting, lwj.Running, lwj.Complete} {
		if err := c.AdvanceOne(t.Context(), id, to, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%d null -> reserved\n%[1]d reserved -> starting\n%[1]d starting -> running\n%[1]d running -> complete\n", id)
}

func TestRunUntilCaughtUp(t *testing.T) {
	t.Parallel()
	c, dir := join(t)
	want := life(t, c) + life(t, c)
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"-dir", dir}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if want != stdout.String() {
		t.Errorf("want\n%s\ngot\n%s", want, &stdout)
	}
}

func TestRunFollows(t *testing.T) {
	t.Parallel()
	c, dir := join(t)
	before := life(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	defer r.Close()
	ended := make(chan error, 1)
	go func() { // ends with ctx; received below
		err := run(ctx, []string{"-dir", dir, "-f"}, w, io.Discard)
		w.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewScanner(r)
	wantLines(t, lines, before)
	wantLines(t, lines, life(t, c))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
}

func wantLines(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for line := range strings.Lines(want) {
		if !lines.Scan() {
			t.Fatalf("want %q, got the end: %v", line, lines.Err())
		}
		if got := lines.Text() + "\n"; line != got {
			t.Errorf("want %q, got %q", line, got)
		}
	}
}
