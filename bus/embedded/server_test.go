package embedded

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startBudget is generous for a machine that is busy with other tests; alone,
// a start takes 3 to 10 ms.
const startBudget = 500 * time.Millisecond

func TestStart_quick(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"new directory", "known directory"} {
		begin := time.Now()
		s := start(t, Config{Dir: dir})
		conn(t, s.Core)
		if took := time.Since(begin); took > startBudget {
			t.Errorf("%s: want a start within %v, got %v", name, startBudget, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
		s.Shutdown()
	}
}

func TestStart_refuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := l.Addr().(*net.TCPAddr).Port
	damaged := t.TempDir()
	if err := content(viewFile, "SU...")(damaged); err != nil {
		t.Fatal(err)
	}
	noStore := t.TempDir()
	if err := content("jetstream", "")(noStore); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		cfg     Config
		code    bus.Code
		message string
		hint    string
	}{
		{"no directory", Config{}, bus.CodeUsage, "directory", ""},
		{"durability", Config{Dir: "d", Durability: "maybe"}, bus.CodeUsage, `"maybe"`, ""},
		{"namespace", Config{Dir: "d", Namespace: "a.>"}, bus.CodeUsage, `"a.>"`, ""},
		{"port", Config{Dir: "d", Port: 70000}, bus.CodeUsage, "70000", ""},
		{"port taken", Config{Dir: t.TempDir(), Port: taken}, bus.CodeUnreachable, "cannot listen on 127.0.0.1:" + strconv.Itoa(taken), "another port"},
		{"directory is a file", Config{Dir: file}, bus.CodeStore, "cannot be used", "--dir"},
		{"store is a file", Config{Dir: noStore}, bus.CodeStore, "cannot be used", "--dir"},
		{"damaged key", Config{Dir: damaged}, bus.CodeStore, "is damaged", "remove it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Start(context.Background(), c.cfg)
			wantRefusal(t, err, c.code, c.message, c.hint)
		})
	}
}

func TestStart_canceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Start(ctx, Config{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
}

// TestStart_sameIdentity: a new host of the same directory has the same keys
// and certificate, in files that only we may read.
func TestStart_sameIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, Config{Dir: dir})
	a := first.HostFile("store")
	first.Shutdown()
	b := start(t, Config{Dir: dir}).HostFile("store")
	a.Address, b.Address = "", ""
	if a != b {
		t.Errorf("want %v, got %v", a, b)
	}
	for _, name := range []string{tlsFile, localFile, viewFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: want mode 0600, got %v (%v)", name, info, err)
		}
	}
}

func TestStart_temporary(t *testing.T) {
	t.Parallel()
	s, err := Start(context.Background(), Config{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if want, got := "", s.URL(); want != got {
		t.Errorf("want URL %q, got %q", want, got)
	}
	conn(t, s.Core)
	s.Shutdown()
	if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want %s removed, got %v", s.Dir(), err)
	}
}

// TestShutdown: it may be called twice and at once, waits, closes what was
// given out, and nothing can be had afterwards.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	core := conn(t, s.Core)
	var all sync.WaitGroup
	for range 3 {
		all.Go(s.Shutdown)
	}
	s.WaitForShutdown()
	all.Wait()
	if !core.IsClosed() {
		t.Error("want the connection closed, got open")
	}
	if err := s.Working(); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Working: want ErrClosed, got %v", err)
	}
	if _, err := s.Core(); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Core: want ErrClosed, got %v", err)
	}
	if _, err := s.Client(); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Client: want ErrClosed, got %v", err)
	}
	if err := s.Restart(context.Background()); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Restart: want ErrClosed, got %v", err)
	}
}

// TestRestart: what was stored is there, on the same port, and connections of
// the host and of clients come back by themselves.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, memory := range []bool{false, true} {
		t.Run("memory="+strconv.FormatBool(memory), func(t *testing.T) {
			t.Parallel()
			s := start(t, Config{Memory: memory})
			core, client := conn(t, s.Core), localClient(t, s)
			back := make(chan *nats.Conn, 2)
			core.SetReconnectHandler(func(nc *nats.Conn) { back <- nc })
			client.SetReconnectHandler(func(nc *nats.Conn) { back <- nc })
			publish(t, core, 1)
			url := s.URL()
			if err := s.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := s.URL(); url != got {
				t.Errorf("want %s, got %s", url, got)
			}
			for range 2 {
				await(t, back)
			}
			publish(t, core, 2)
			if err := s.Working(); err != nil {
				t.Errorf("Working: want no error, got %v", err)
			}
		})
	}
}

// TestRestart_portTaken: the port was not asked for, so another one will do.
func TestRestart_portTaken(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	before := s.HostFile("").Address
	ns, _ := s.take(false)
	stop(ns)
	l, err := net.Listen("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := s.HostFile("").Address; got == before {
		t.Errorf("want another address than %s, got the same", before)
	}
}

// TestRestart_fails: a named port that is taken is an error; later it works.
func TestRestart_fails(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	s.cfg.Port = s.port // as if it had been named
	ns, _ := s.take(false)
	stop(ns)
	l, err := net.Listen("tcp", strings.TrimPrefix(s.URL(), "tls://"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Restart(context.Background())
	wantRefusal(t, err, bus.CodeUnreachable, "cannot listen", "port")
	if _, err := s.Client(); !errors.Is(err, bus.ErrUnreachable) {
		t.Errorf("Client: want ErrUnreachable, got %v", err)
	}
	l.Close()
	if err := s.Restart(context.Background()); err != nil {
		t.Errorf("want no error, got %v", err)
	}
}

// TestStreamsSurvive: another server on the same directory has the streams of
// both accounts.
func TestStreamsSurvive(t *testing.T) {
	t.Parallel()
	for _, d := range []Durability{Synced, Fast} {
		t.Run(d, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for want := uint64(1); want <= 2; want++ {
				s := start(t, Config{Dir: dir, Durability: d})
				publish(t, conn(t, s.Core), want)
				publish(t, conn(t, s.View), want)
				s.Shutdown()
			}
		})
	}
}

// publish stores a message in stream S, which it makes where there is none,
// and wants it to be the want-th.
func publish(t *testing.T, nc *nats.Conn, want uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if ack.Sequence != want {
		t.Errorf("want sequence %d, got %d", want, ack.Sequence)
	}
}

// localClient connects as the client user: over TCP where the server listens.
func localClient(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	o := []nats.Option{s.id.local.option(), nats.CustomInboxPrefix("_INBOX_" + LocalUser), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait)}
	if s.cfg.Memory {
		o = append(o, nats.SetCustomDialer(dialer{s}))
	} else {
		o = append(o, nats.Secure(s.id.clientTLS()))
	}
	return conn(t, func(...nats.Option) (*nats.Conn, error) { return nats.Connect(s.URL(), o...) })
}

// await returns what comes, or fails after 10 s.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("want a signal within 10s, got none")
		panic("unreachable")
	}
}
