package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func TestMain(m *testing.M) {
	lwj.Init()
	if slices.Contains(os.Args, "-inside") { // the scheduler of a test
		main()
		return
	}
	goleak.VerifyTestMain(m, enginetest.ServerLeaks()...)
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"-dir", dir}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	for i := range lines {
		_, lines[i], _ = strings.Cut(lines[i], ": ")
	}
	slices.Sort(lines)
	if want := []string{"piece 1", "piece 2", "piece 3"}; !slices.Equal(want, lines) {
		t.Errorf("want %v in any order, got %v", want, lines)
	}
	if left := addresses(t, dir); left != 0 {
		t.Errorf("want no address left of a scheduler that has ended, got %d", left)
	}
}

func TestRunBroken(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-dir", t.TempDir(), "-broken"}, &stdout, &stderr)
	if want := "the scheduler has ended and never had an address"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}

// addresses counts what is in the bucket.
func addresses(t *testing.T, dir string) int {
	t.Helper()
	joined, err := host.Join(t.Context(), host.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	b, err := kvbucket.Open(joined.Conn(), "addresses")
	if err != nil {
		t.Fatal(err)
	}
	n, err := b.Count(t.Context(), kvbucket.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
