package bus

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Defaults of a Config.
const (
	DefaultUser           = "local"
	DefaultRequestTimeout = 15 * time.Second
	DefaultTryTimeout     = 2 * time.Second
)

// Caller is a host in the same process. Call answers as the host would over
// the network; nil when ctx ended before there was an answer.
type Caller interface {
	Call(ctx context.Context, user, verb string, req *Request) *Response
}

// Config says how a Conn reaches its host.
type Config struct {
	Namespace string // one subject token. Default: "lwj".
	User      string // one subject token. Default: "local".

	NATS   *nats.Conn // Required, unless Direct is set; without it there is no Follow.
	Direct Caller     // a host in this process, asked instead of the network. Default: none.

	RequestTimeout time.Duration // of a call with all its tries. Default: 15s.
	TryTimeout     time.Duration // of one try. Default: 2s.

	Logger *slog.Logger // Default: none.
}

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (c *Config) validate() error {
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.User == "" {
		c.User = DefaultUser
	}
	if !token.MatchString(c.Namespace) || !token.MatchString(c.User) {
		return NewError(CodeUsage, "namespace %q and user %q must be 1 to 64 of A-Z a-z 0-9 _ -", c.Namespace, c.User)
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = DefaultRequestTimeout
	}
	if c.TryTimeout <= 0 {
		c.TryTimeout = DefaultTryTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Conn is a client's connection to the host of a namespace: calls and feeds.
// Safe for concurrent use.
type Conn struct {
	cfg    Config
	names  Names
	clock  Clock
	direct atomic.Pointer[Caller]
	link   *link        // nil without NATS
	dialer *localDialer // nil unless DialLocal opened NATS

	revision    atomic.Uint64
	incarnation atomic.Uint64

	done chan struct{} // closed by Close

	mu        sync.Mutex
	closed    bool
	followers map[*Follower]struct{}
}

// New returns a connection over cfg.NATS or to cfg.Direct. It sends nothing.
//
// Errors: CodeUsage.
func New(cfg Config) (*Conn, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.NATS == nil && cfg.Direct == nil {
		return nil, NewError(CodeUsage, "a connection needs a NATS connection or a host in this process")
	}
	c := &Conn{cfg: cfg, names: Names{cfg.Namespace}, done: make(chan struct{}), followers: map[*Follower]struct{}{}}
	c.SetDirect(cfg.Direct)
	if cfg.NATS != nil {
		c.link = newLink(cfg.NATS)
	}
	return c, nil
}

// SetDirect makes later tries ask a host in this process; nil: the network.
func (c *Conn) SetDirect(d Caller) {
	if d == nil {
		c.direct.Store(nil)
		return
	}
	c.direct.Store(&d)
}

// Names gives the subjects of the namespace.
func (c *Conn) Names() Names { return c.names }

// NATS returns the NATS connection; nil if there is none.
func (c *Conn) NATS() *nats.Conn { return c.cfg.NATS }

// User is the user whose requests these are.
func (c *Conn) User() string { return c.cfg.User }

// Clock is the Lamport clock of this client.
func (c *Conn) Clock() *Clock { return &c.clock }

// Revision is the highest revision that this client has seen.
func (c *Conn) Revision() uint64 { return c.revision.Load() }

// Incarnation is the highest incarnation of the store that this client has seen.
func (c *Conn) Incarnation() uint64 { return c.incarnation.Load() }

// Observe takes note of what an answer or an event says about the host.
func (c *Conn) Observe(revision, clock, incarnation uint64) {
	raise(&c.revision, revision)
	raise(&c.incarnation, incarnation)
	if clock > 0 {
		c.clock.Observe(clock)
	}
}

func raise(to *atomic.Uint64, n uint64) {
	for {
		now := to.Load()
		if n <= now || to.CompareAndSwap(now, n) {
			return
		}
	}
}

// Close ends the followers and, if DialLocal opened it, the NATS connection.
// Calls that wait return ErrClosed. It may be called more than once.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	followers := c.followers
	c.followers = nil
	c.mu.Unlock()

	close(c.done)
	for f := range followers {
		f.Close()
	}
	if c.dialer != nil {
		c.dialer.close()
		c.cfg.NATS.Close()
	}
	if c.link != nil {
		c.link.close()
	}
	return nil
}
