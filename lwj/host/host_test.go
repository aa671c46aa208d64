package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

func bucket(t *testing.T, c *bus.Conn) *kvbucket.Bucket {
	t.Helper()
	b, err := kvbucket.Open(c, "kv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// What was acknowledged is there after a restart, and a client that was
// connected goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	bed := natstest.New(t)
	b := bucket(t, bed.Conn())
	if _, err := b.Put(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	bed.Restart()
	e, err := b.Get(ctx, "a")
	if err != nil || string(e.Value) != "1" {
		t.Fatalf("want 1, got %v (%v)", e, err)
	}
	if _, err := b.Put(ctx, "a", []byte("2")); err != nil {
		t.Fatal(err)
	}
}

func TestSecondHostIsRefused(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	_, err := host.Start(testContext(t), host.Config{Dir: bed.Dir()})
	if !errors.Is(err, host.ErrLocked) {
		t.Fatalf("want ErrLocked, got %v", err)
	}
}

// Three processes' worth of sessions on one directory: the first hosts, and
// when it leaves another takes over; nothing acknowledged is lost.
func TestSessionTakesOver(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	var sessions []*host.Session
	for range 3 {
		s, err := host.Join(ctx, host.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		sessions = append(sessions, s)
	}
	if !sessions[0].Hosting() || sessions[1].Hosting() {
		t.Fatal("the first to come hosts, and no other")
	}
	for i := range sessions {
		b := bucket(t, sessions[2].Conn())
		if _, err := b.Put(ctx, "k", []byte{byte('0' + i)}); err != nil {
			t.Fatalf("with %d sessions gone: %v", i, err)
		}
		e, err := b.Get(ctx, "k")
		if err != nil || e.Version != uint64(i+1) {
			t.Fatalf("want version %d, got %+v (%v)", i+1, e, err)
		}
		if err := sessions[i].Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStatus: the status says how durable an acknowledgement is.
func TestStatus(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		var s host.Status
		if err := c.Call(testContext(t), host.VerbStatus, struct{}{}, &s, bus.Read()); err != nil {
			t.Fatal(err)
		}
		if s.Durability != "synced" || s.Namespace != "lwj" || s.PowerCut == "" || s.Epoch == 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestStandbysGoInTheirNamespace: a stand-by whose directory fell to a host of
// another namespace does not take over from that one while anybody stands by
// for it; when nobody is left it does.
func TestStandbysGoInTheirNamespace(t *testing.T) {
	t.Parallel()
	ctx, dir := testContext(t), t.TempDir()
	join := func(namespace string) *host.Session {
		s, err := host.Join(ctx, host.Config{Dir: dir, Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	write := func(s *host.Session) {
		if _, err := bucket(t, s.Conn()).Put(ctx, "k", nil); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := usurp(t, dir, join)
	for range 3 {
		next := join("other")
		closeHost(t, theirs)
		write(next)
		if !next.Hosting() || ours.Hosting() {
			t.Fatal("want the next of its namespace to be the host, got another")
		}
		theirs = next.Close
	}
	closeHost(t, theirs)
	write(ours)
	if !ours.Hosting() {
		t.Fatal("want the stand-by that is left to be the host, got none")
	}
}

func closeHost(t *testing.T, leave func() error) {
	t.Helper()
	if err := leave(); err != nil {
		t.Fatal(err)
	}
}

// usurp returns a stand-by of namespace lwj, and how the host of namespace
// other leaves that was faster than it when its host left.
func usurp(t *testing.T, dir string, join func(namespace string) *host.Session) (*host.Session, func() error) {
	t.Helper()
	for first := join("lwj"); ; {
		standby := join("lwj")
		closeHost(t, first.Close)
		h, err := host.Start(testContext(t), host.Config{Dir: dir, Namespace: "other"})
		if err == nil {
			t.Cleanup(func() { h.Close() })
			return standby, h.Close
		}
		if !errors.Is(err, host.ErrLocked) {
			t.Fatal(err)
		}
		first = standby // it was faster: again
	}
}

// A session of another namespace is told at once that the directory's host
// serves another one.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	_, err := host.Join(testContext(t), host.Config{Dir: bed.Dir(), Namespace: "other"})
	if bus.CodeOf(err) != bus.CodeUnreachable || !strings.Contains(err.Error(), "serves namespace lwj") {
		t.Fatalf("want a line that names the namespace, got %v", err)
	}
}
