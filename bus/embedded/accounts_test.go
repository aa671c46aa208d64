package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

const requestTimeout = 10 * time.Second

// serve makes nc the host: it answers every request with its subject.
func serve(t *testing.T, nc *nats.Conn) {
	t.Helper()
	api, err := micro.AddService(nc, micro.Config{Name: "lwj", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	err = api.AddEndpoint("api", micro.HandlerFunc(func(r micro.Request) { r.Respond([]byte(r.Subject())) }), micro.WithEndpointSubject("lwj.api.v1.*.>"))
	if err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
}

func flush(t testing.TB, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(requestTimeout); err != nil {
		t.Fatalf("flush: want no error, got %v", err)
	}
}

// subscribe returns the messages of a subject.
func subscribe(t *testing.T, nc *nats.Conn, subject string) <-chan *nats.Msg {
	t.Helper()
	c := make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe(subject, c); err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	return c
}

// denied returns the channel of the permission errors of nc.
func denied(nc *nats.Conn) <-chan error {
	c := make(chan error, 64)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			c <- err
		}
	})
	return c
}

func TestAccounts_clientMay(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	core, client := conn(t, s.Core), localClient(t, s)
	serve(t, conn(t, s.Front))
	m, err := client.Request("lwj.api.v1.local.get", nil, requestTimeout)
	if want := "lwj.api.v1.local.get"; err != nil || string(m.Data) != want {
		t.Errorf("request: want %q, got %v (%v)", want, m, err)
	}
	if _, err := client.Request("$SRV.PING.lwj", nil, requestTimeout); err != nil {
		t.Errorf("discovery: want an answer, got %v", err)
	}
	for subscription, subject := range map[string]string{
		"lwj.state.*": "lwj.state.7", "lwj.event.7": "lwj.event.7", "lwj.kv.kv.>": "lwj.kv.kv.a.b",
		"lwj.ctl.o.*": "lwj.ctl.o.7", "lwj.feed.lwj": "lwj.feed.lwj", "lwj.engine": "lwj.engine",
	} {
		got := subscribe(t, client, subscription)
		if err := core.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if m := await(t, got); m.Subject != subject {
			t.Errorf("want an event on %s, got %s", subject, m.Subject)
		}
	}
}

// TestAccounts_clientMayNot: what a client must not do is refused by the
// server, and nobody hears of it.
func TestAccounts_clientMayNot(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	core, other, client := conn(t, s.Core), localClient(t, s), localClient(t, s)
	publish(t, core, 1)
	refused := denied(client)
	everything := subscribe(t, core, ">")
	events := subscribe(t, other, "lwj.state.>")
	for _, subject := range []string{
		"lwj.state.7", "lwj.feed.lwj", "lwj.engine", // events
		"lwj.api.v1.root.put",                                           // another user's requests
		"$JS.API.INFO", "$JS.API.STREAM.DELETE.S", "s", "$KV.kv.a", "x", // streams and the rest
		"$SYS.REQ.SERVER.PING",
	} {
		if err := client.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		await(t, refused)
	}
	for _, subject := range []string{">", "_INBOX.>", "_INBOX_root.>", "lwj.>", "$KV.>", "$JS.>", "s", "lwj.out.>"} {
		if _, err := client.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		await(t, refused)
	}
	flush(t, core)
	flush(t, other)
	select {
	case m := <-everything:
		t.Errorf("want nothing in CORE, got %s", m.Subject)
	case m := <-events:
		t.Errorf("want no event, got %s", m.Subject)
	default:
	}
}

// TestAccounts_replyInjection: an answer goes to an inbox or nowhere, whatever
// the request names as its reply.
func TestAccounts_replyInjection(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	core, front, other, client := conn(t, s.Core), conn(t, s.Front), localClient(t, s), localClient(t, s)
	publish(t, core, 1)
	refused := denied(front)
	heard := make(chan *nats.Msg, 64)
	if _, err := front.Subscribe("lwj.api.v1.*.>", func(m *nats.Msg) {
		heard <- m
		m.Respond([]byte("answer"))
	}); err != nil {
		t.Fatal(err)
	}
	flush(t, front)
	everything, events := subscribe(t, core, ">"), subscribe(t, other, "lwj.state.>")
	for _, reply := range []string{"lwj.state.7", "lwj.feed.lwj", "lwj.api.v1.root.put", "lwj.api.v1.local.put", "$SRV.PING", "$JS.API.INFO", "s"} {
		if err := client.PublishRequest("lwj.api.v1.local.get", reply, nil); err != nil {
			t.Fatal(err)
		}
		if m := await(t, heard); m.Subject != "lwj.api.v1.local.get" {
			t.Errorf("want the request, got %s", m.Subject)
		}
		await(t, refused)
	}
	flush(t, core)
	flush(t, other)
	select {
	case m := <-everything:
		t.Errorf("want nothing in CORE, got %s", m.Subject)
	case m := <-events:
		t.Errorf("want no event, got %s", m.Subject)
	case m := <-heard:
		t.Errorf("want no further request, got %s", m.Subject)
	default:
	}
}

// TestAccounts_noStreamsForClients: JetStream is not there for clients, whatever
// their permissions were.
func TestAccounts_noStreamsForClients(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	acc, err := s.ns.LookupAccount(accountCLI)
	if err != nil || acc.JetStreamEnabled() {
		t.Errorf("want an account without JetStream, got %v (%v)", acc, err)
	}
	for _, name := range []string{accountCore, accountView} {
		if acc, err := s.ns.LookupAccount(name); err != nil || !acc.JetStreamEnabled() {
			t.Errorf("want %s with JetStream, got %v (%v)", name, acc, err)
		}
	}
}

// TestAccounts_tools: the user for nats tools reads the buckets, sees no log
// and writes nothing.
func TestAccounts_tools(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	s := start(t, Config{})
	publish(t, conn(t, s.Core), 1)
	host, err := jetstream.New(conn(t, s.View))
	if err != nil {
		t.Fatal(err)
	}
	written, err := host.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "kv"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := written.PutString(ctx, "a", "1"); err != nil {
		t.Fatal(err)
	}
	tool := toolClient(t, s)
	js, err := jetstream.New(tool)
	if err != nil {
		t.Fatal(err)
	}
	names := js.StreamNames(ctx)
	var got []string
	for name := range names.Name() {
		got = append(got, name)
	}
	if len(got) != 1 || got[0] != "KV_kv" || names.Err() != nil {
		t.Errorf("want the stream KV_kv alone, got %v (%v)", got, names.Err())
	}
	kv, err := js.KeyValue(ctx, "kv")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(ctx, "a"); err != nil || string(e.Value()) != "1" {
		t.Errorf("get: want 1, got %v (%v)", e, err)
	}
	if h, err := kv.History(ctx, "a"); err != nil || len(h) != 1 {
		t.Errorf("history: want 1 entry, got %v (%v)", h, err)
	}
	refused := denied(tool)
	for _, subject := range []string{"$KV.kv.a", "$JS.API.STREAM.DELETE.KV_kv", "$JS.API.STREAM.PURGE.KV_kv", "$JS.API.STREAM.CREATE.x", "lwj.api.v1.local.get"} {
		if err := tool.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		await(t, refused)
	}
}

// toolClient connects as a nats tool does.
func toolClient(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	return conn(t, func(...nats.Option) (*nats.Conn, error) {
		return nats.Connect(s.URL(), s.id.view.option(), nats.Secure(s.id.clientTLS()))
	})
}

// TestAccounts_strangers: who has not the right key, or the host's own key but
// not a connection in the process, is not let in.
func TestAccounts_strangers(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	stranger, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	secure := []nats.Option{nats.Secure(s.id.clientTLS())}
	for _, c := range []struct {
		name string
		o    []nats.Option
	}{
		{"no key", secure},
		{"unknown key", append(secure, stranger.option())},
		{"password", append(secure, nats.UserInfo("local", "local"))},
		{"core key from outside", append(secure, s.core.option())},
		{"front key from outside", append(secure, s.front.option())},
		{"view host's key from outside", append(secure, s.view.option())},
		{"no TLS", []nats.Option{s.id.local.option(), nats.Timeout(100 * time.Millisecond)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc, err := nats.Connect(s.HostFile("").Address, c.o...)
			if err == nil {
				nc.Close()
				t.Error("want no connection, got one")
			}
		})
	}
}

func TestServer_onlyTLS13(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	c, err := net.Dial("tcp", s.HostFile("").Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	old := s.id.clientTLS()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := tls.Client(c, old).Handshake(); err == nil {
		t.Error("want TLS 1.2 refused, got a connection")
	}
}

func BenchmarkRequest(b *testing.B) {
	s := start(b, Config{Memory: true})
	front := conn(b, s.Front)
	if _, err := front.Subscribe("lwj.api.v1.*.>", func(m *nats.Msg) { m.Respond(nil) }); err != nil {
		b.Fatal(err)
	}
	flush(b, front)
	nc := conn(b, func(...nats.Option) (*nats.Conn, error) {
		return nats.Connect("", s.id.local.option(), nats.CustomInboxPrefix("_INBOX_"+LocalUser), nats.SetCustomDialer(dialer{s}))
	})
	request := func() {
		if _, err := nc.Request("lwj.api.v1.local.get", nil, requestTimeout); err != nil {
			b.Error(err)
		}
	}
	b.Run("1", func(b *testing.B) {
		for b.Loop() {
			request()
		}
	})
	b.Run("64 at once", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				request()
			}
		})
	})
}

// TestWanted: a client's subscription counts from its flush on, and no other
// subject is wanted.
func TestWanted(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	client := localClient(t, s)
	if s.Wanted("lwj.state.7") {
		t.Error("nobody subscribes yet")
	}
	sub, err := client.SubscribeSync("lwj.state.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	if !s.Wanted("lwj.state.7") || s.Wanted("lwj.event.7") {
		t.Error("want the subscribed subject wanted, and no other")
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(); err != nil || s.Wanted("lwj.state.7") {
		t.Errorf("want it unwanted after the unsubscribe (%v)", err)
	}
}
