package embedded

import (
	"context"
	"net"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/nats-io/nats.go"
)

// TestDialLocal: what a host publishes is what a client needs, over TCP and,
// in the process of the host, without.
func TestDialLocal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	dir := t.TempDir()
	l, err := TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, Config{Dir: dir})
	if err := l.Publish(s.HostFile("store")); err != nil {
		t.Fatal(err)
	}
	serve(t, conn(t, s.Front))
	c, err := bus.DialLocal(ctx, dir, bus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.NATS().FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	request := func(way string) {
		t.Helper()
		m, err := c.NATS().RequestWithContext(ctx, "lwj.api.v1.local.get", nil)
		if want := "lwj.api.v1.local.get"; err != nil || string(m.Data) != want {
			t.Fatalf("%s: want %q, got %v (%v)", way, want, m, err)
		}
	}
	request("TCP")
	back := make(chan *nats.Conn, 1)
	c.NATS().SetReconnectHandler(func(nc *nats.Conn) { back <- nc })
	c.SetDialer(func(context.Context) (net.Conn, error) { return s.Client() })
	if err := c.NATS().ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	await(t, back)
	request("in process")
}
