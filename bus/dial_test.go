package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// hostOf runs a responder at a local server, connected in process.
func hostOf(t *testing.T, s *server.Server, id *identity, name string) {
	t.Helper()
	h := id.hostFile("127.0.0.1:1")
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.Nkey(id.key, h.sign))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	newFakeHost(t, nc, func(int, *Request) *Response { return &Response{Body: body(t, name)} })
}

func whoAnswers(t *testing.T, c *Conn) string {
	t.Helper()
	var name string
	if err := c.Call(testContext(t), "who", nil, &name, Read()); err != nil {
		t.Fatal(err)
	}
	return name
}

func dialLocal(t *testing.T, dir string, cfg Config) *Conn {
	t.Helper()
	c, err := DialLocal(testContext(t), dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDialLocalFollowsHost(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), newIdentity(t)
	first := id.localServer(t)
	hostOf(t, first, id, "first")
	publish(t, dir, id.hostFile(first.Addr().String()))
	c := dialLocal(t, dir, Config{})
	if got := whoAnswers(t, c); got != "first" {
		t.Fatalf("want first, got %s", got)
	}

	stopServer(first)
	if err := os.Remove(filepath.Join(dir, HostFileName)); err != nil {
		t.Fatal(err)
	}
	second := id.localServer(t) // another port
	hostOf(t, second, id, "second")
	publish(t, dir, id.hostFile(second.Addr().String()))
	if got := whoAnswers(t, c); got != "second" {
		t.Errorf("want second, got %s", got)
	}
}

// The same connection goes from the network to the server of a host in this
// process, whose INFO asks for no TLS, and back.
func TestDialLocalInProcess(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), newIdentity(t)
	first := id.localServer(t)
	hostOf(t, first, id, "first")
	publish(t, dir, id.hostFile(first.Addr().String()))
	c := dialLocal(t, dir, Config{})
	if got := whoAnswers(t, c); got != "first" {
		t.Fatalf("want first, got %s", got)
	}

	second := id.localServer(t)
	hostOf(t, second, id, "second")
	c.SetDialer(func(context.Context) (net.Conn, error) { return second.InProcessConn() })
	stopServer(first)
	if got := whoAnswers(t, c); got != "second" {
		t.Errorf("want second, got %s", got)
	}

	third := id.localServer(t)
	hostOf(t, third, id, "third")
	publish(t, dir, id.hostFile(third.Addr().String()))
	c.SetDialer(nil)
	stopServer(second)
	if got := whoAnswers(t, c); got != "third" {
		t.Errorf("want third, got %s", got)
	}
}

func TestDialLocalWaitsForHost(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), newIdentity(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := DialLocal(ctx, dir, Config{}); CodeOf(err) != CodeUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want unreachable at the deadline, got %v", err)
	}

	type result struct {
		c   *Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := DialLocal(testContext(t), dir, Config{})
		done <- result{c, err}
	}()
	publish(t, dir, id.hostFile("127.0.0.1:1")) // nobody listens there
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.c.Close()
	s := id.localServer(t)
	hostOf(t, s, id, "late")
	publish(t, dir, id.hostFile(s.Addr().String()))
	if got := whoAnswers(t, r.c); got != "late" {
		t.Errorf("want late, got %s", got)
	}
}

func TestDialLocalRefusesOtherStore(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), newIdentity(t)
	publish(t, dir, id.hostFile("127.0.0.1:1"))
	c := dialLocal(t, dir, Config{RequestTimeout: 200 * time.Millisecond})
	s := id.localServer(t)
	hostOf(t, s, id, "other")
	other := id.hostFile(s.Addr().String())
	other.Store = "another"
	publish(t, dir, other)
	if err := c.Call(testContext(t), "who", nil, nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable, got %v", err)
	}
	if _, err := c.dialer.dial(); CodeOf(err) != CodeStore {
		t.Errorf("want a store error, got %v", err)
	}
}

// stranger listens where a host did and records all that it is told.
type stranger struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	heard bytes.Buffer
	times int
}

// newStranger speaks first and then listens; config is nil for plain TCP.
func newStranger(t *testing.T, config *tls.Config) *stranger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{listener: l}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.talk(conn, config) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return s
}

const strangersInfo = `INFO {"server_id":"x","version":"2.15.2","headers":true,"max_payload":1048576,"nonce":"abc","proto":1}` + "\r\n"

func (s *stranger) talk(conn net.Conn, config *tls.Config) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if config != nil {
		conn = tls.Server(conn, config)
	}
	_, _ = io.WriteString(conn, strangersInfo)
	heard, _ := io.ReadAll(io.LimitReader(conn, 1<<16))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Write(heard)
	s.times++
}

func (s *stranger) visits() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times, s.heard.String()
}

func TestDialLocalTellsStrangerNothing(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{
		"plain TCP":             nil,
		"TLS, other key":        {Certificates: []tls.Certificate{newIdentity(t).cert}},
		"TLS 1.2, our own cert": {MaxVersion: tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, id := t.TempDir(), newIdentity(t)
			if config != nil && config.Certificates == nil {
				config.Certificates = []tls.Certificate{id.cert}
			}
			st := newStranger(t, config)
			publish(t, dir, id.hostFile(st.listener.Addr().String()))
			c := dialLocal(t, dir, Config{})
			eventually(t, "two visits", func() bool { n, _ := st.visits(); return n >= 2 })

			s := id.localServer(t)
			hostOf(t, s, id, "true")
			publish(t, dir, id.hostFile(s.Addr().String()))
			if got := whoAnswers(t, c); got != "true" {
				t.Errorf("want the true host found, got %s", got)
			}
			_, heard := st.visits()
			for _, secret := range []string{"CONNECT", "PING", id.key, id.seed, "nkey", "sig"} {
				if strings.Contains(heard, secret) {
					t.Errorf("want %q kept from the stranger, got %q", secret, heard)
				}
			}
		})
	}
}

// A stranger who never says a word holds up no call beyond its deadline.
func TestDialLocalSilentStranger(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), newIdentity(t)
	s := id.localServer(t)
	hostOf(t, s, id, "host")
	publish(t, dir, id.hostFile(s.Addr().String()))
	c := dialLocal(t, dir, Config{})
	whoAnswers(t, c)

	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel only
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	publish(t, dir, id.hostFile(silent.Addr().String()))
	stopServer(s)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		began := time.Now()
		err := c.Call(ctx, "who", nil, nil, Read())
		cancel()
		if took := time.Since(began); !errors.Is(err, ErrUnreachable) || took > dialTimeout/2 {
			t.Errorf("want ErrUnreachable at the deadline, got %v after %v", err, took)
		}
	}
}

func TestReadHostFile(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	good := id.hostFile("127.0.0.1:4222")
	for name, c := range map[string]struct {
		change func(h *HostFile)
		mode   os.FileMode
		want   Code
	}{
		"good":           {func(*HostFile) {}, 0o600, ""},
		"read by others": {func(*HostFile) {}, 0o644, CodeDenied},
		"newer format":   {func(h *HostFile) { h.Format = HostFormat + 1 }, 0o600, CodeStore},
		"no address":     {func(h *HostFile) { h.Address = "x" }, 0o600, CodeMalformed},
		"no certificate": {func(h *HostFile) { h.Certificate = id.seed }, 0o600, CodeMalformed},
		"no seed":        {func(h *HostFile) { h.Seed = id.pem }, 0o600, CodeMalformed},
	} {
		dir, h := t.TempDir(), good
		c.change(&h)
		publish(t, dir, h)
		if err := os.Chmod(filepath.Join(dir, HostFileName), c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadHostFile(dir)
		if CodeOf(err) != c.want || c.want == "" && *got != good {
			t.Errorf("%s: want code %q, got %v (%v)", name, c.want, got, err)
		}
	}
	if _, err := ReadHostFile(t.TempDir()); CodeOf(err) != CodeUnreachable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: want unreachable, got %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, HostFileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadHostFile(dir); CodeOf(err) != CodeMalformed {
		t.Errorf("half a file: want malformed, got %v", err)
	}
}
