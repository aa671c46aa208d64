package embedded

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/nats-io/nats-server/v2/server"
)

// Server is a running server. It is safe for concurrent use.
type Server struct {
	cfg               Config
	temporary         bool // cfg.Dir is ours to remove
	id                identity
	core, view, front key           // of the host's own users: new in each process, never on disk
	done              chan struct{} // closed at the end of Shutdown

	life sync.Mutex // held by Restart and Shutdown from begin to end; taken before mu

	mu     sync.Mutex
	closed bool           // Shutdown began
	ns     *server.Server // nil while there is none
	log    *logger        // of ns
	port   int            // 0: none yet
	conns  connSet        // handed out by Core and View
}

// Start starts the server and returns when it serves, usually within 20 ms
// (recovery of a large store takes longer). The caller holds the Lock of Dir.
//
// Errors: *bus.Error of code usage for a wrong Config, unreachable for a port
// that is taken, store for a directory or store that cannot be used;
// ctx's own before it begins.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, port: cfg.Port, done: make(chan struct{})}
	if s.temporary, err = s.cfg.makeDir(); err != nil {
		return nil, storeError(s.cfg.Dir, err)
	}
	if err := s.start(); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

func (s *Server) start() (err error) {
	if s.id, err = loadIdentity(s.cfg.Dir); err != nil {
		return storeError(s.cfg.Dir, err)
	}
	for _, k := range []*key{&s.core, &s.view, &s.front} {
		if *k, err = newKey(); err != nil {
			return err
		}
	}
	return s.run()
}

// run starts a server on the store and lets connections find it.
func (s *Server) run() error {
	o, err := s.options()
	if err != nil {
		return bus.NewError(bus.CodeInternal, "the server's configuration: %v", err)
	}
	ns, err := server.NewServer(o)
	if err != nil {
		return bus.NewError(bus.CodeInternal, "the server's options: %v", err)
	}
	l := &logger{log: s.cfg.Logger}
	ns.SetLoggerV2(l, false, false, false)
	ns.Start()
	if err := l.start(); err != nil {
		stop(ns)
		return s.startError(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ns, s.log = ns, l
	if a, ok := ns.Addr().(*net.TCPAddr); ok {
		s.port = a.Port
	}
	return nil
}

// startError says why the server did not start.
func (s *Server) startError(err error) error {
	if isNet(err) {
		return bus.NewError(bus.CodeUnreachable, "cannot listen on %s:%d: %v", loopback, s.port, errors.Unwrap(err)).
			WithHint("name another port, or none")
	}
	return storeError(s.cfg.Dir, err)
}

func isNet(err error) bool {
	var e *net.OpError
	return errors.As(err, &e)
}

// storeError says that the data directory cannot be used; errors that say so
// themselves stay as they are.
func storeError(dir string, err error) error {
	var e *bus.Error
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return bus.NewError(bus.CodeStore, "no space left for the data directory %s: %v", dir, err).WithHint("free some space, or use another --dir")
	}
	return bus.NewError(bus.CodeStore, "the data directory %s cannot be used: %v", dir, err).
		WithHint("check that you may write there, or use another --dir")
}

// Restart stops the server and starts it again with the same directory and
// keys: what a host does after a write error, from which the server does not
// recover by itself. Connections that Core, View, Front and Client gave out, and those
// of clients, find the new one by themselves. The port stays the same unless
// somebody took it and Config.Port named none: compare URL, and publish the
// host file again.
//
// Errors: as Start; there is no server then, and Restart may be called again.
// bus.ErrClosed after Shutdown; ctx's own before it begins.
func (s *Server) Restart(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	ns, closed := s.take(false)
	if closed {
		return bus.ErrClosed
	}
	stop(ns)
	err := s.run()
	if bus.CodeOf(err) == bus.CodeUnreachable && s.cfg.Port == 0 {
		s.mu.Lock()
		s.port = 0
		s.mu.Unlock()
		err = s.run()
	}
	return err
}

// Shutdown closes the connections that Core, View and Front gave out, stops the
// server and returns when nothing of it runs. It may be called more than once
// and concurrently.
func (s *Server) Shutdown() {
	s.life.Lock()
	defer s.life.Unlock()
	ns, closed := s.take(true)
	if closed {
		return
	}
	s.conns.closeAll()
	stop(ns)
	if s.temporary {
		os.RemoveAll(s.cfg.Dir)
	}
	close(s.done)
}

// WaitForShutdown returns when Shutdown has ended.
func (s *Server) WaitForShutdown() { <-s.done }

// take takes the running server away from new connections.
func (s *Server) take(closing bool) (ns *server.Server, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ns, closed = s.ns, s.closed
	s.ns, s.closed = nil, s.closed || closing
	return ns, closed
}

func stop(ns *server.Server) {
	if ns != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}

// running returns the server, bus.ErrClosed after Shutdown, and
// bus.ErrUnreachable while Restart is under way.
func (s *Server) running() (*server.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, bus.ErrClosed
	case s.ns == nil:
		return nil, bus.ErrUnreachable
	}
	return s.ns, nil
}

// Working returns nil while the server runs and its store takes writes, as far
// as it knows. After a write error (a full disk) some stream, or all of them,
// take none until Restart, and publishes time out without a word.
//
// Errors: bus.ErrClosed, bus.ErrUnreachable as Client; *bus.Error of code store
// for a store that failed.
func (s *Server) Working() error {
	ns, err := s.running()
	if err != nil {
		return err
	}
	s.mu.Lock()
	l := s.log
	s.mu.Unlock()
	if err := l.storeBroken(); err != nil {
		return storeError(s.cfg.Dir, err)
	}
	if !ns.JetStreamEnabled() {
		return bus.NewError(bus.CodeStore, "the server switched its store off").WithHint("start the host again")
	}
	return nil
}

// Dir returns the data directory.
func (s *Server) Dir() string { return s.cfg.Dir }

// Durability returns Synced or Fast.
func (s *Server) Durability() Durability { return s.cfg.Durability }

// URL returns the address of the server, "tls://127.0.0.1:<port>"; empty where
// nothing listens.
func (s *Server) URL() string {
	if s.cfg.Memory {
		return ""
	}
	return "tls://" + s.address()
}

func (s *Server) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return net.JoinHostPort(loopback, strconv.Itoa(s.port))
}

// Wanted reports whether anybody subscribes to a subject in the account of the
// host, clients of other accounts that import it included. While it cannot be
// asked the answer is yes.
func (s *Server) Wanted(subject string) bool {
	ns, err := s.running()
	if err != nil {
		return true
	}
	a, err := ns.LookupAccount(accountCore)
	return err != nil || a.Interest(subject) > 0
}
