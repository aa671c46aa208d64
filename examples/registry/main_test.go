package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }

// program is a run of the example that goes on beside the test.
type program struct {
	t     *testing.T
	stop  context.CancelFunc
	lines *bufio.Scanner
	ended chan error
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	p := &program{t: t, stop: cancel, lines: bufio.NewScanner(r), ended: make(chan error, 1)}
	go func() { // ends with ctx; received by end
		err := run(ctx, args, w, io.Discard)
		w.CloseWithError(err)
		p.ended <- err
	}()
	t.Cleanup(cancel)
	return p
}

func (p *program) want(pattern string) {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("want %q, got the end: %v", pattern, p.lines.Err())
	}
	if got := p.lines.Text(); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		p.t.Fatalf("want %q, got %q", pattern, got)
	}
}

func (p *program) end(want error) {
	p.t.Helper()
	p.stop()
	if err := <-p.ended; !errors.Is(err, want) {
		p.t.Errorf("want %v, got %v", want, err)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	watcher := start(t, "-dir", dir, "list", "-f")
	watcher.want("0 services")
	web := start(t, "-dir", dir, "serve", "web", "10.0.0.7:80")
	web.want("serving web at 10.0.0.7:80")
	watcher.want(`\+ web/.* at 10\.0\.0\.7:80`)
	store := start(t, "-dir", dir, "serve", "store", "10.0.0.8:90")
	store.want("serving store at 10.0.0.8:90")
	watcher.want(`\+ store/.* at 10\.0\.0\.8:90`)
	var all bytes.Buffer
	if err := run(t.Context(), []string{"-dir", dir, "list"}, &all, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^2 services\nstore/.* at 10\.0\.0\.8:90\nweb/.* at 10\.0\.0\.7:80\n$`).MatchString(all.String()) {
		t.Errorf("want both services, got %q", &all)
	}
	web.end(nil)
	watcher.want(`- web/.* at 10\.0\.0\.7:80`)
	store.end(nil)
	watcher.want(`- store/.* at 10\.0\.0\.8:90`)
	watcher.end(context.Canceled)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if err := run(t.Context(), []string{"-dir", t.TempDir(), "serve"}, io.Discard, &stderr); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("want %v, got %v", flag.ErrHelp, err)
	}
	if want := "usage: registry"; !bytes.HasPrefix(stderr.Bytes(), []byte(want)) {
		t.Errorf("want %s…, got %s", want, fmt.Sprint(&stderr))
	}
}
