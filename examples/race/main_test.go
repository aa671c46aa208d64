package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"

	"github.com/lwjbus/lwjbus/lwj"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

// lwjbus loses nothing and doubles nothing. What the chains miss is luck: no
// more is wanted of them than that they count all that was made, and they do
// so a second time in the same directory.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), []string{"-launchers", "4", "-jobs", "20", "-dir", dir}, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		if want, got := 5, len(lines); want != got {
			t.Fatalf("want %d lines, got %d:\n%s", want, got, &stdout)
		}
		for _, chain := range lines[1:4] {
			wantIn(t, chain, " 80 ")
		}
		wantIn(t, strings.Join(strings.Fields(lines[4]), " "), "lwjbus, one monitor 80 80 0 0 0 of 20 jobs ")
	}
}

func wantIn(t *testing.T, line, want string) {
	t.Helper()
	if !strings.Contains(line, want) {
		t.Errorf("want %q in it, got %q", want, line)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-launchers", "0"}, {"-jobs", "-1"}, {"-durability", "never"}} {
		if err := run(t.Context(), append(args, "-dir", t.TempDir()), io.Discard, io.Discard); err == nil {
			t.Errorf("%q: want an error, got none", args)
		}
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	seen := newTally()
	for _, s := range []lwj.State{lwj.Reserved, lwj.Starting, lwj.Running, lwj.Running} {
		seen.hear(1, s)
	}
	seen.hear(2, lwj.Complete)
	want := result{made: 12, seen: 4, missed: 8, doubled: 1, first: 2}
	if got := seen.result(3); want != got {
		t.Errorf("want %+v, got %+v", want, got)
	}
}
