package fifo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// bridge runs a bridge until stop, which wants it to have ended well.
func bridge(t *testing.T, p *fifo.Pipe, path string, d fifo.Direction) (stop func()) {
	t.Helper()
	b, err := fifo.OpenBridge(t.Context(), p, path, d, kvbucket.SessionConfig{})
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("want the bridge to end well, got %v", err)
		}
		check(t, b.Close())
		check(t, b.Close())
	})
	t.Cleanup(stop)
	return stop
}

func write(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

func newPipe(t *testing.T, c *bus.Conn, cfg fifo.Config) *fifo.Pipe {
	t.Helper()
	p, err := fifo.Create(t.Context(), c, "p", cfg)
	check(t, err)
	return p
}

func openReader(t *testing.T, p *fifo.Pipe, opts ...fifo.ReaderOption) *fifo.Reader {
	t.Helper()
	r, err := p.Reader(t.Context(), opts...)
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}

func wantItem(t *testing.T, r *fifo.Reader, want string) {
	t.Helper()
	i, err := r.Get(t.Context())
	check(t, err)
	same(t, want, string(i.Data))
	check(t, i.Ack(t.Context()))
}

// TestBridge: P09, what goes in at one bridge comes out at the other, however
// often, line for line.
func TestBridge(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{})
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	bridge(t, p, in, fifo.In)
	bridge(t, p, out, fifo.Out)
	for n := range 50 {
		want := fmt.Sprintf("line %d\n", n)
		write(t, in, want)
		same(t, want, read(t, out))
	}
	write(t, in, "a\n\nb")
	for _, want := range []string{"a\n", "\n", "b\n"} {
		same(t, want, read(t, out))
	}
	long := strings.Repeat("x", fifo.MaxItem)
	write(t, in, long)
	same(t, long+"\n", read(t, out))
}

// TestBridgeIn: what writers that have closed the file wrote is put, also when
// the bridge ends, and when there is no room at first.
func TestBridgeIn(t *testing.T) {
	t.Parallel()
	b, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{MaxItems: 2})
	path := filepath.Join(t.TempDir(), "in")
	stop := bridge(t, p, path, fifo.In)
	r := openReader(t, p, fifo.UntilWritersClose())
	write(t, path, "1\n2\n")
	write(t, path, "3\n4") // no room
	b.blocked(1)
	wantItem(t, r, "1")
	wantItem(t, r, "2")
	wantItem(t, r, "3")
	wantItem(t, r, "4")

	hold, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	_, err = hold.WriteString("begun")
	check(t, err)
	stop()
	check(t, hold.Close())
	wantItem(t, r, "begun")
	_, err = r.Get(t.Context())
	same(t, "EOF", err.Error())
}

// TestBridgeOut: an item goes to a reader who reads the whole of it, to no
// other, and to one.
func TestBridgeOut(t *testing.T) {
	t.Parallel()
	b, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{MaxDeliver: 1})
	path := filepath.Join(t.TempDir(), "out")
	stop := bridge(t, p, path, fifo.Out)

	waits, err := os.Open(path) // and leaves before there is an item
	check(t, err)
	b.blocked(1)
	check(t, waits.Close())
	b.blocked(0)
	check(t, p.Put(t.Context(), []byte("first\n")))
	leaves, err := os.Open(path) // reads a part of it
	check(t, err)
	_, err = leaves.Read(make([]byte, 2))
	check(t, err)
	check(t, leaves.Close())
	wantItem(t, openReader(t, p), "first\n") // it was handed back, and counts as not handed out
	check(t, p.Put(t.Context(), []byte("second")))
	check(t, p.Put(t.Context(), []byte("third")))

	stays, err := os.Open(path) // does not read, while the bridge ends
	check(t, err)
	ready := []unix.PollFd{{Fd: int32(stays.Fd()), Events: unix.POLLIN}}
	_, err = unix.Poll(ready, int(patience.Milliseconds()))
	check(t, err)
	go stop()
	buf := make([]byte, 100)
	n, err := stays.Read(buf)
	check(t, err)
	same(t, "second\n", string(buf[:n]))
	stop()
	check(t, stays.Close())
	info, err := p.Info(t.Context())
	check(t, err)
	same(t, 1, info.Ready)
	same(t, 0, info.InFlight+info.Dead)
}

// TestBridgeEnds: with the pipe, and the reader who waits gets nothing.
func TestBridgeEnds(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{})
	path := filepath.Join(t.TempDir(), "out")
	b, err := fifo.OpenBridge(t.Context(), p, path, fifo.Out, kvbucket.SessionConfig{})
	check(t, err)
	check(t, p.Put(t.Context(), nil))
	check(t, p.CloseWriters(t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.Run(t.Context()) }()
	same(t, "\n", read(t, path))
	same(t, "", read(t, path))
	check(t, <-done)
	check(t, b.Close())
	_, err = fifo.OpenBridge(t.Context(), p, path, fifo.In, kvbucket.SessionConfig{})
	wantError(t, fifo.ErrClosed, err)
}

// TestBridgeLost: a bridge whose session ends goes on with another.
func TestBridgeLost(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{})
	dir := t.TempDir()
	bridge(t, p, dir+"/in", fifo.In)
	bridge(t, p, dir+"/out", fifo.Out)
	write(t, dir+"/in", "before\n")
	same(t, "before\n", read(t, dir+"/out"))
	owners, err := kvbucket.Owners(t.Context(), c)
	check(t, err)
	same(t, 2, len(owners))
	for _, o := range owners {
		check(t, kvbucket.EndOwner(t.Context(), c, o.Owner))
	}
	write(t, dir+"/in", "after\n")
	got := ""
	for got == "" { // who was waiting when the session ended gets nothing
		got = read(t, dir+"/out")
	}
	same(t, "after\n", got)
}

// TestBridgeLines: a script that reads a line and leaves at once, as the read of
// a shell does, gets each item, and no end of file.
func TestBridgeLines(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{})
	path := filepath.Join(t.TempDir(), "out")
	bridge(t, p, path, fifo.Out)
	const items = 200
	for n := range items {
		check(t, p.Put(t.Context(), fmt.Appendf(nil, "%d", n)))
	}
	for n := range items {
		f, err := os.Open(path)
		check(t, err)
		var got int
		_, err = fmt.Fscanln(f, &got)
		check(t, err)
		same(t, n, got)
		check(t, f.Close())
	}
}

func TestBridgeRefuses(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := newPipe(t, c, fifo.Config{})
	dir := t.TempDir()
	write := func(name string) string {
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		return filepath.Join(dir, name)
	}
	bridge(t, p, dir+"/taken", fifo.In)
	for _, tt := range []struct{ path, want string }{
		{write("file"), "is a regular file, not a named pipe"},
		{dir, "is a directory, not a named pipe"},
		{"/dev/null", "is something else, not a named pipe"},
		{dir + "/none/in", "no such file or directory"},
		{"", "no such file or directory"},
		{dir + "/taken", "another bridge reads"},
	} {
		_, err := fifo.OpenBridge(t.Context(), p, tt.path, fifo.In, kvbucket.SessionConfig{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: want %q, got %v", tt.path, tt.want, err)
		}
	}
	same(t, "", read(t, dir+"/file"))
}
