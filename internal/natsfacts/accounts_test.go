package natsfacts

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// twoAccounts is the shape of embedded's accounts: a core with streams that
// exports a service and events, and clients that import them.
const twoAccounts = `
accounts {
  CORE {
    jetstream: enabled
    users: [ { user: core, password: core } ]
    exports: [ { service: "api.>" }, { stream: "event.>" } ]
  }
  CLI {
    users: [
      { user: a, password: a, permissions: { publish: [ "api.>" ], subscribe: [ "_INBOX_a.>", "event.>" ] } }
      { user: b, password: b, permissions: { publish: [ "api.>" ], subscribe: [ "_INBOX_b.>", "event.>" ] } }
      { user: free, password: free }
    ]
    imports: [ { service: { account: CORE, subject: "api.>" } }, { stream: { account: CORE, subject: "event.>" } } ]
  }
}`

// world is a server with a host that answers, and what CORE hears.
type world struct {
	s     *server.Server
	core  *nats.Conn
	heard <-chan *nats.Msg
}

func newWorld(t *testing.T) world {
	t.Helper()
	s := newServer(t, func(o *server.Options) { dontListen(o); configured(t, twoAccounts)(o) })
	w := world{s: s}
	w.core = w.user(t, "core")
	heard := make(chan *nats.Msg, 64)
	must(w.core.ChanSubscribe(">", heard))(t)
	must(w.core.Subscribe("api.>", func(m *nats.Msg) { m.Respond([]byte("answer")) }))(t)
	w.heard = heard
	flush(t, w.core)
	return w
}

func (w world) user(t *testing.T, name string) *nats.Conn {
	t.Helper()
	return connect(t, w.s, nats.UserInfo(name, name), nats.CustomInboxPrefix("_INBOX_"+name))
}

func flush(t *testing.T, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(timeout); err != nil {
		t.Fatal(err)
	}
}

// violations returns the permission errors of nc.
func violations(nc *nats.Conn) <-chan error {
	c := make(chan error, 64)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			c <- err
		}
	})
	return c
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(timeout):
		t.Fatal("want something, got nothing")
		panic("unreachable")
	}
}

// quiet wants nothing in c once nc and what it sent have been served.
func quiet(t *testing.T, c <-chan *nats.Msg, through ...*nats.Conn) {
	t.Helper()
	for _, nc := range through {
		flush(t, nc)
	}
	select {
	case m := <-c:
		t.Errorf("want silence, got %s %q", m.Subject, m.Data)
	default:
	}
}

// Clients of an account without JetStream that imports only a service do not
// reach the streams, even without a permission that forbids it. (The boundary
// of DESIGN: clients never touch JetStream.)
func TestNATSFacts_ImportOfServiceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	free := w.user(t, "free")
	js := must(jetstream.New(w.core))(t)
	ctx := t.Context()
	s := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}))(t)
	clients := must(jetstream.New(free))(t)
	for _, name := range []string{"S", "T"} {
		_, err := clients.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{"s"}})
		wantCode(t, jetstream.JSErrCodeJetStreamNotEnabledForAccount, err)
		_, err = clients.Stream(ctx, name)
		wantCode(t, jetstream.JSErrCodeJetStreamNotEnabledForAccount, err)
	}
	for _, subject := range []string{"$JS.API.STREAM.MSG.GET.S", "$JS.API.DIRECT.GET.S", "$JS.API.STREAM.PURGE.S", "$JS.API.STREAM.DELETE.S"} {
		if m, err := free.Request(subject, []byte(`{"seq":1}`), timeout); err == nil && !bytes.Contains(m.Data, []byte("10039")) {
			t.Errorf("%s: want a refusal or no answer, got %s %v", subject, m.Data, m.Header)
		}
	}
	if err := free.Publish("s", nil); err != nil {
		t.Fatal(err)
	}
	flush(t, free)
	wantLast(t, ctx, s, 0)
}

// Permissions keep a client from others' inboxes and from publishing events.
func TestNATSFacts_PermissionsOfClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.user(t, "a"), w.user(t, "b")
	refused := violations(a)
	events := make(chan *nats.Msg, 64)
	must(b.ChanSubscribe("event.>", events))(t)
	flush(t, b)
	for _, subject := range []string{"_INBOX_b.>", "_INBOX.>", ">", "_R_.>"} {
		must(a.SubscribeSync(subject))(t)
		await(t, refused)
	}
	if err := a.Publish("event.1", nil); err != nil {
		t.Fatal(err)
	}
	await(t, refused)
	quiet(t, events, a, w.core, b)
}

// The reply subject of a request does not reach into the other account. What a
// client can do with it is to have an *answer* of the service delivered to a
// subscriber of its own account, on a subject it could not publish: so an
// event is told from an answer by its content. $JS.ACK is checked as a publish.
func TestNATSFacts_ReplyInjection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.user(t, "a"), w.user(t, "b")
	refused := violations(a)
	events := make(chan *nats.Msg, 64)
	must(b.ChanSubscribe("event.>", events))(t)
	flush(t, b)
	for _, reply := range []string{"$JS.API.STREAM.DELETE.S", "s", "api.other", "event.1"} {
		if err := a.PublishRequest("api.get", reply, nil); err != nil {
			t.Fatal(err)
		}
		if m := await(t, w.heard); m.Subject != "api.get" || m.Reply == reply {
			t.Errorf("%s: want the request with another reply, got %s with %s", reply, m.Subject, m.Reply)
		}
		if m := await(t, w.heard); m.Subject[:4] != "_R_." {
			t.Errorf("%s: want the answer on a subject of the server, got %s", reply, m.Subject)
		}
		quiet(t, w.heard, a, w.core)
	}
	if m := await(t, events); m.Subject != "event.1" || string(m.Data) != "answer" || len(m.Header) != 0 {
		t.Errorf("want the bare answer, got %s %q %v", m.Subject, m.Data, m.Header)
	}
	if err := a.PublishRequest("api.get", "$JS.ACK.S.C.1.1.1.1.0", nil); err != nil {
		t.Fatal(err)
	}
	await(t, refused)
	quiet(t, w.heard, a, w.core)
}

// The server names the account in a header of its own; a forged one is
// overwritten. (The host's audit.)
func TestNATSFacts_RequestInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.user(t, "a")
	m := nats.NewMsg("api.get")
	m.Header.Set("Nats-Request-Info", `{"acc":"CORE","user":"root"}`)
	must(a.RequestMsg(m, timeout))(t)
	got := await(t, w.heard).Header.Values("Nats-Request-Info")
	if len(got) != 1 || got[0][:13] != `{"acc":"CLI",` {
		t.Errorf("want the account CLI alone, got %v", got)
	}
}

// Inside one account a permission to publish one subject is a permission to
// send a stranger's answer anywhere, by the reply. (Why there are accounts.)
func TestNATSFacts_ReplyInjectionInOneAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *server.Options) {
		dontListen(o)
		configured(t, `accounts { A { jetstream: enabled, users: [
			{ user: all, password: all }
			{ user: reader, password: reader, permissions: { publish: [ "$JS.API.DIRECT.GET.KV_one.>" ], subscribe: [ "_INBOX.>" ] } } ] } }`)(o)
	})
	ctx := t.Context()
	js := must(jetstream.New(connect(t, s, nats.UserInfo("all", "all"))))(t)
	one := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "one"}))(t)
	two := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "two"}))(t)
	must(one.PutString(ctx, "a", "1"))(t)
	w := must(two.WatchAll(ctx, jetstream.UpdatesOnly()))(t)
	defer w.Stop()
	reader := connect(t, s, nats.UserInfo("reader", "reader"))
	if err := reader.PublishRequest("$JS.API.DIRECT.GET.KV_one.$KV.one.a", "$KV.two.forged", nil); err != nil {
		t.Fatal(err)
	}
	if e := await(t, w.Updates()); e.Key() != "forged" || string(e.Value()) != "1" {
		t.Errorf("want the forged key, got %s %q", e.Key(), e.Value())
	}
}
