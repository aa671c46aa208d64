package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of the connection to a local host.
const (
	dialTimeout  = 2 * time.Second // connect and TLS handshake
	pingInterval = 2 * time.Second // a host that misses maxPings of them is gone
	maxPings     = 2
	maxInfo      = 64 << 10 // bytes of a server's INFO
)

// localInbox keeps replies apart from the inboxes of plain NATS clients.
const localInbox = "_INBOX_local"

// Dialer returns a connection to the server of a host in this process.
type Dialer func(ctx context.Context) (net.Conn, error)

// DialLocal connects to the host of a data directory. It waits for the host
// file until ctx ends, tries once to connect, for 2 s at most, and returns
// whether it could or not: the connection is made, and made again, in the
// background, 20-100 ms apart, for as long as the Conn is open.
// Each attempt reads the host file anew, so a host may leave and another come
// at another address (TestDialLocalFollowsHost). Whoever listens at the
// address without the pinned certificate's key learns nothing
// (TestDialLocalTellsStrangerNothing).
//
// Errors: ErrUnreachable wrapping the end of ctx while there is no host file;
// those of ReadHostFile.
func DialLocal(ctx context.Context, dir string, cfg Config) (*Conn, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	h, err := awaitHostFile(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := h.serves(cfg.Namespace); err != nil {
		return nil, err
	}
	d := newLocalDialer(dir, h.Store)
	key, err := h.publicKey()
	if err != nil {
		return nil, NewError(CodeMalformed, "host file: %v", err)
	}
	nc, err := nats.Connect("nats://127.0.0.1:0", d.options(key, cfg)...)
	if err != nil {
		d.close()
		return nil, NewError(CodeUnreachable, "connect to the local host: %v", err)
	}
	cfg.NATS = nc
	c, err := New(cfg)
	if err != nil {
		d.close()
		nc.Close()
		return nil, err
	}
	c.dialer = d
	return c, nil
}

// Local reports whether DialLocal opened the connection: its host is a process
// of this machine.
func (c *Conn) Local() bool { return c.dialer != nil }

// SetDialer makes a connection of DialLocal use d from its next attempt on:
// for a process that has become the host itself. nil: the host file again.
// It does nothing on other connections.
func (c *Conn) SetDialer(d Dialer) {
	if c.dialer == nil {
		return
	}
	if d == nil {
		c.dialer.inProcess.Store(nil)
		return
	}
	c.dialer.inProcess.Store(&d)
}

func awaitHostFile(ctx context.Context, dir string) (*HostFile, error) {
	for {
		h, err := ReadHostFile(dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
		t := time.NewTimer(pauseLength())
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
}

// localDialer is the nats.CustomDialer of DialLocal. nats.go calls Dial with
// its connection's lock held, and delay without: so delay dials ahead, and
// Dial hands out what it has got. Only for the first attempt, when nobody else
// has the connection yet, Dial dials.
type localDialer struct {
	dir       string
	store     string
	inProcess atomic.Pointer[Dialer]
	ctx       context.Context // ends in close
	cancel    context.CancelFunc

	mu    sync.Mutex
	ahead *dialed
}

type dialed struct {
	conn net.Conn
	err  error
}

func newLocalDialer(dir, store string) *localDialer {
	d := &localDialer{dir: dir, store: store}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

func (d *localDialer) options(key string, cfg Config) []nats.Option {
	return []nats.Option{
		nats.Name("lwj " + cfg.User),
		nats.SetCustomDialer(d),
		nats.Nkey(key, d.sign),
		nats.CustomInboxPrefix(localInbox),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(d.delay),
		nats.ReconnectBufSize(-1), // nothing is sent later than its caller waits
		nats.IgnoreDiscoveredServers(),
		nats.IgnoreAuthErrorAbort(),
		nats.SkipHostLookup(),
		nats.Timeout(dialTimeout),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			cfg.Logger.Debug("connection", "err", err)
		}),
	}
}

// SkipTLSHandshake tells nats.go that Dial has done it.
func (d *localDialer) SkipTLSHandshake() bool { return true }

// Dial returns a connection to the host. The address is not used.
func (d *localDialer) Dial(_, _ string) (net.Conn, error) {
	if a := d.take(); a != nil {
		return a.conn, a.err
	}
	return d.dial()
}

// delay dials ahead and returns how long to wait before Dial is called.
func (d *localDialer) delay(int) time.Duration {
	conn, err := d.dial()
	d.mu.Lock()
	d.ahead = &dialed{conn, err}
	d.mu.Unlock()
	if d.ctx.Err() != nil {
		d.close() // it came before us
	}
	if err != nil {
		return pauseLength()
	}
	return 0
}

func (d *localDialer) take() *dialed {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.ahead
	d.ahead = nil
	return a
}

// close ends an attempt under way and later ones.
func (d *localDialer) close() {
	d.cancel()
	if a := d.take(); a != nil && a.conn != nil {
		a.conn.Close()
	}
}

func (d *localDialer) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	if f := d.inProcess.Load(); f != nil {
		return (*f)(ctx)
	}
	h, err := d.host()
	if err != nil {
		return nil, err
	}
	config, err := h.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.Address)
	if err != nil {
		return nil, err
	}
	return secure(ctx, conn, config)
}

// secure reads the server's INFO, which comes in the clear, and does the TLS
// handshake before anything of ours is sent: a stranger gets a TLS hello. The
// result gives nats.go the INFO to read, and then what comes over TLS.
func secure(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		conn.Close()
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fail(err)
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	info, err := readInfo(conn)
	if err != nil {
		return fail(err)
	}
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return fail(err)
	}
	return &greeted{Conn: t, info: info}, conn.SetDeadline(time.Time{})
}

// readInfo reads one line, which is all that a server says before TLS.
func readInfo(conn net.Conn) ([]byte, error) {
	info, piece := []byte{}, make([]byte, 4096)
	for len(info) < maxInfo {
		n, err := conn.Read(piece)
		if info = append(info, piece[:n]...); bytes.HasSuffix(info, []byte("\r\n")) {
			return info, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errStranger
}

// greeted is a connection over TLS behind the INFO that came before it.
type greeted struct {
	net.Conn
	info []byte
}

// Read returns the INFO first.
func (g *greeted) Read(p []byte) (int, error) {
	if len(g.info) == 0 {
		return g.Conn.Read(p)
	}
	n := copy(p, g.info)
	g.info = g.info[n:]
	return n, nil
}

// host reads the host file and refuses that of another store: a client's
// revisions mean nothing there.
func (d *localDialer) host() (*HostFile, error) {
	h, err := ReadHostFile(d.dir)
	if err != nil {
		return nil, err
	}
	if h.Store != d.store {
		return nil, NewError(CodeStore, "the store in %s has been replaced by another", d.dir).
			WithHint("start this program again")
	}
	return h, nil
}

func (d *localDialer) sign(nonce []byte) ([]byte, error) {
	h, err := d.host()
	if err != nil {
		return nil, err
	}
	return h.sign(nonce)
}
