package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
)

// How often a session without a host looks for one, at random in between.
const (
	joinPauseMin = 20 * time.Millisecond
	joinPauseMax = 100 * time.Millisecond
)

// Session is a process's place on the bus of its machine: it is the host, or
// a client that becomes the host when the host leaves. It is safe for
// concurrent use.
type Session struct {
	cfg    Config
	conn   *bus.Conn
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	host *Host // nil while another process hosts
}

// Join makes this process part of the bus of its data directory: the first to
// come becomes the host, later ones join it, and when the host leaves, one
// that is left takes over the same store.
//
// Errors: those of Start but for ErrLocked; CodeUnreachable with Config.Never
// where no host is; ctx's own.
func Join(ctx context.Context, cfg Config) (*Session, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Session{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.join(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.adopt()
	if !cfg.Never {
		s.wg.Go(s.stand)
	}
	return s, nil
}

// join becomes the host or connects to it. A host that leaves in between is
// followed by another, which may be this process.
func (s *Session) join(ctx context.Context) error {
	for {
		if err := s.enter(ctx); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, joinPauseMax)
		conn, err := bus.DialLocal(wait, s.cfg.Dir, s.cfg.Conn)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, fs.ErrNotExist) {
			s.conn = conn
			return err
		}
	}
}

// enter becomes the host, or returns when there is one.
func (s *Session) enter(ctx context.Context) error {
	for {
		if !s.cfg.Never {
			err := s.tryHost(ctx)
			if !errors.Is(err, embedded.ErrLocked) {
				return err
			}
		}
		_, err := os.Stat(filepath.Join(s.cfg.Dir, bus.HostFileName))
		switch {
		case err == nil:
			return nil
		case s.cfg.Never && errors.Is(err, fs.ErrNotExist):
			return bus.NewError(bus.CodeUnreachable, "no host runs in %s", s.cfg.Dir).WithHint("start one with lwj serve, or leave out --host never")
		case !errors.Is(err, fs.ErrNotExist):
			return bus.NewError(bus.CodeStore, "the data directory cannot be used: %v", err).WithHint("use another --dir")
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the host of %s: %w", s.cfg.Dir, err)
		}
	}
}

// tryHost becomes the host if nobody is.
func (s *Session) tryHost(ctx context.Context) error {
	lock, err := embedded.TryLock(s.cfg.Dir)
	if err != nil {
		return err
	}
	h, err := startLocked(ctx, s.cfg, lock)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = h
	return nil
}

// adopt makes the session's own connection use the host in this process.
func (s *Session) adopt() {
	if h := s.Host(); h != nil {
		s.conn.SetDialer(func(context.Context) (net.Conn, error) { return h.server.Client() })
		s.conn.SetDirect(h.engine)
	}
}

// stand waits for the host to leave and then tries to take its place.
// Owned by the session; ends with Close, which waits for it.
func (s *Session) stand() {
	lost := s.conn.NATS().StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CONNECTED)
	for {
		if h := s.Host(); h != nil {
			if !s.serve(h) {
				return
			}
			continue
		}
		s.takeOver() // the host may have left before lost was there
		if s.Hosting() {
			continue
		}
		select {
		case <-s.ctx.Done():
			return
		case <-lost:
		}
	}
}

// serve waits while this process hosts; it returns false when the session is
// closed, and true when the engine stopped by itself and was given up.
func (s *Session) serve(h *Host) bool {
	select {
	case <-s.ctx.Done():
		return false
	case <-h.Failed():
	}
	s.cfg.Logger.Error("the host failed", "error", h.Err())
	s.conn.SetDirect(nil)
	s.conn.SetDialer(nil)
	s.mu.Lock()
	s.host = nil
	s.mu.Unlock()
	if err := h.Close(); err != nil {
		s.cfg.Logger.Error("the failed host was not closed cleanly", "error", err)
	}
	return true
}

// takeOver tries to become the host until there is one again.
func (s *Session) takeOver() {
	told, turn := "", turn{dir: s.cfg.Dir, namespace: s.cfg.Namespace}
	for s.conn.NATS().Status() != nats.CONNECTED && s.ctx.Err() == nil {
		err := turn.check()
		if err == nil {
			err = s.tryHost(s.ctx)
		}
		if err == nil {
			s.adopt()
			return
		}
		if text := err.Error(); !errors.Is(err, embedded.ErrLocked) && text != told {
			s.cfg.Logger.Error("this process cannot take over from the host", "error", err)
			told = text
		}
		if pause(s.ctx) != nil {
			return
		}
	}
}

func pause(ctx context.Context) error {
	t := time.NewTimer(joinPauseMin + rand.N(joinPauseMax-joinPauseMin))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Conn is the session's connection. It outlives hosts.
func (s *Session) Conn() *bus.Conn { return s.conn }

// Host is the host in this process, or nil.
func (s *Session) Host() *Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host
}

// Hosting tells whether this process is the host.
func (s *Session) Hosting() bool { return s.Host() != nil }

// Close leaves the bus; a host in this process ends. It may be called more
// than once.
func (s *Session) Close() error {
	s.cancel()
	s.wg.Wait()
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if h := s.Host(); h != nil {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}
