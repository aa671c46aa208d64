package natsfacts

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options of zero would listen on all addresses, port 4222, for anybody.
// (embedded names its address, and the accounts name who may come in.)
func TestNATSFacts_ZeroOptions(t *testing.T) {
	t.Parallel()
	o := &server.Options{NoSigs: true, NoLog: true}
	s, err := server.NewServer(o) // fills in the defaults and opens nothing
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if o.Host != "0.0.0.0" || o.Port != 4222 {
		t.Errorf("want 0.0.0.0:4222, got %s:%d", o.Host, o.Port)
	}
	if len(o.Users)+len(o.Nkeys) != 0 || o.Authorization != "" {
		t.Error("want no users, got some")
	}
}

// A server that does not listen has no address and serves its process.
// (embedded.Config.Memory.)
func TestNATSFacts_DontListen(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := newServer(t, dontListen)
	nc := connect(t, s)
	t.Logf("start and connect: %v", time.Since(begin))
	if a := s.Addr(); a != nil {
		t.Errorf("want no address, got %v", a)
	}
	if err := nc.FlushTimeout(timeout); err != nil {
		t.Errorf("want a connection, got %v", err)
	}
}

// The API level tells what a server can do. (doctor, serve --server.)
func TestNATSFacts_APILevel(t *testing.T) {
	t.Parallel()
	_, nc, _ := newJetStream(t)
	m, err := nc.Request("$JS.API.INFO", nil, timeout)
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		API struct {
			Level int `json:"level"`
		} `json:"api"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	if want, got := 5, info.API.Level; got < want {
		t.Errorf("want at least %d, got %d: %s", want, got, m.Data)
	}
}

// A request to a cluster that has no leader is never answered. (Short
// deadlines of their own for all requests.)
func TestNATSFacts_NoLeaderNoAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *server.Options) {
		o.ServerName = "one" // which listens: without, routes wait for ever for its port
		o.Cluster = server.ClusterOpts{Name: "C", Host: "127.0.0.1", Port: server.RANDOM_PORT}
		o.Routes = []*url.URL{{Scheme: "nats", Host: "127.0.0.1:1"}, {Scheme: "nats", Host: "127.0.0.1:2"}} // nobody is there
	})
	js := must(jetstream.New(connect(t, s)))(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want no answer, got %v", err)
	}
}

// Where TLS comes first, an in-process connection without it waits 50 ms for a
// hello that does not come. (embedded speaks TLS in process, too.)
func TestNATSFacts_InProcessWaitsForHello(t *testing.T) {
	t.Parallel()
	s := newServer(t, handshakeFirst(t))
	begin := time.Now()
	connect(t, s)
	if want, got := server.DEFAULT_TLS_HANDSHAKE_FIRST_FALLBACK_DELAY, time.Since(begin); got < want {
		t.Errorf("want at least %v, got %v", want, got)
	}
}

// dialer does the TLS handshake before nats.go sees the connection.
type dialer func() (net.Conn, error)

func (d dialer) Dial(_, _ string) (net.Conn, error) { return d() }
func (d dialer) SkipTLSHandshake() bool             { return true }

// A custom dialer may do the TLS handshake itself, over TCP and in process.
// (bus.DialLocal and embedded.)
func TestNATSFacts_DialerDoesHandshake(t *testing.T) {
	t.Parallel()
	s := newServer(t, handshakeFirst(t))
	tcp := func() (net.Conn, error) { return net.Dial("tcp", s.Addr().String()) }
	for name, dial := range map[string]func() (net.Conn, error){"TCP": tcp, "in process": s.InProcessConn} {
		nc, err := nats.Connect("nats://127.0.0.1", nats.SetCustomDialer(dialer(func() (net.Conn, error) { return hello(dial) })))
		if err != nil {
			t.Errorf("%s: want a connection, got %v", name, err)
			continue
		}
		if err := nc.FlushTimeout(timeout); err != nil {
			t.Errorf("%s: want a connection, got %v", name, err)
		}
		nc.Close()
	}
}

// The server runs under fake time, once its own clock was started outside.
// (Tests of leases and holds.)
func TestNATSFacts_FakeTime(t *testing.T) {
	ats.Register()
	defer ats.Unregister()
	synctest.Test(t, func(t *testing.T) {
		ctx, _, js, _ := newStream(t, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
		if _, err := js.Publish(ctx, "s.a", nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		time.Sleep(61 * time.Minute) // of the bubble
		later, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		s := must(js.Stream(later, "S"))(t)
		if got := s.CachedInfo().State.Msgs; got != 0 {
			t.Errorf("want the message gone after %v, got %d", time.Since(begin), got)
		}
	})
}
