package embedded

import (
	"net"
	"sync"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/nats-io/nats.go"
)

// Core returns a new connection of the host to the account of the log. It
// reconnects by itself after Restart, keeps nothing to send meanwhile, and is
// closed by Shutdown at the latest.
//
// Errors: bus.ErrClosed after Shutdown; what nats.Connect returns.
func (s *Server) Core(opts ...nats.Option) (*nats.Conn, error) {
	return s.connect("lwj core", s.core, opts)
}

// View returns a new connection of the host to the account of the projected
// buckets; otherwise like Core.
func (s *Server) View(opts ...nats.Option) (*nats.Conn, error) {
	return s.connect("lwj view", s.view, opts)
}

// Front returns a new connection of the host to the account of the clients:
// it hears their requests and can answer into their inboxes, and nothing else;
// otherwise like Core.
func (s *Server) Front(opts ...nats.Option) (*nats.Conn, error) {
	return s.connect("lwj front", s.front, opts)
}

// Client returns the raw in-process connection that a client of the account
// CLI authenticates on. It carries no TLS: nothing leaves the process.
//
// Errors: bus.ErrClosed after Shutdown, bus.ErrUnreachable during Restart.
func (s *Server) Client() (net.Conn, error) {
	ns, err := s.running()
	if err != nil {
		return nil, err
	}
	return ns.InProcessConn()
}

// dialer makes every connect of a nats.Conn an in-process one.
type dialer struct{ s *Server }

func (d dialer) Dial(_, _ string) (net.Conn, error) { return d.s.Client() }

// SkipTLSHandshake tells nats.go that there is none to do.
func (d dialer) SkipTLSHandshake() bool { return true }

func (s *Server) connect(name string, k key, more []nats.Option) (*nats.Conn, error) {
	if _, err := s.running(); err != nil {
		return nil, err
	}
	opts := append([]nats.Option{
		nats.Name(name), k.option(), nats.SetCustomDialer(dialer{s}), nats.Timeout(connectTimeout), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectJitter, reconnectJitter), nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(), nats.ClosedHandler(s.conns.remove), nats.ErrorHandler(s.logError),
	}, more...)
	nc, err := nats.Connect("nats://"+loopback, opts...) // the dialer decides, not the address
	if err != nil {
		return nil, err
	}
	if !s.conns.add(nc) {
		nc.Close()
		return nil, bus.ErrClosed
	}
	return nc, nil
}

// logError takes the place of nats.go's own handler, which writes to stderr.
func (s *Server) logError(nc *nats.Conn, sub *nats.Subscription, err error) {
	var subject string
	if sub != nil {
		subject = sub.Subject
	}
	s.cfg.Logger.Warn("nats connection", "name", nc.Opts.Name, "subject", subject, "error", err)
}

// connSet are the connections that Shutdown has to close. The zero value works.
type connSet struct {
	mu     sync.Mutex
	closed bool
	conns  map[*nats.Conn]struct{}
}

// add reports false when the set is closed.
func (s *connSet) add(nc *nats.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = map[*nats.Conn]struct{}{}
	}
	s.conns[nc] = struct{}{}
	return true
}

func (s *connSet) remove(nc *nats.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	conns := s.conns
	s.conns, s.closed = nil, true
	s.mu.Unlock()
	for nc := range conns {
		nc.Close()
	}
}
