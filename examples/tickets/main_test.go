package main

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, step := range []struct {
		args []string
		want string
	}{
		{nil, "100 tickets sold here, 100 of 100 in all\n"},
		{nil, "0 tickets sold here, 100 of 100 in all\n"},
		{[]string{"-tickets", "150", "-sellers", "8"}, "50 tickets sold here, 150 of 150 in all\n"},
		{[]string{"-key", "other", "-sellers", "1"}, "10 tickets sold here, 10 of 100 in all\n"},
	} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), append(step.args, "-dir", dir), &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		if got := stdout.String(); got != step.want {
			t.Errorf("%q: want %q, got %q", step.args, step.want, got)
		}
	}
}

// TestSellAll wants each ticket sold once.
func TestSellAll(t *testing.T) {
	t.Parallel()
	const tickets, sellers = 50, 16
	session, err := host.Join(t.Context(), host.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}()
	sold, err := atomic.Open(session.Conn(), "kv", "sold")
	if err != nil {
		t.Fatal(err)
	}
	got, err := sellAll(t.Context(), &office{sold, tickets}, sellers)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := make([]int64, tickets)
	for i := range want {
		want[i] = int64(i)
	}
	if !slices.Equal(want, got) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-key", ""}, {"-sellers", "0"}, {"-tickets", "-1"}, {"-tickets", "many"}} {
		if err := run(t.Context(), append(args, "-dir", t.TempDir()), io.Discard, io.Discard); err == nil {
			t.Errorf("%q: want an error, got none", args)
		}
	}
}
