package kvbucket

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/proc"
)

// SessionConfig says how a session is held. The zero value works.
type SessionConfig struct {
	// ID is the owner's id, 1 to 256 bytes of UTF-8. Default: a random one.
	ID string
	// TTL is how long the host keeps what the session owns when it hears
	// nothing from it, MinLease to MaxLease. Default: DefaultLease.
	TTL time.Duration
	// Info is for people: host, pid, command. On a connection of bus.DialLocal
	// it is signed with what this process is, so that the next host of the
	// machine ends the owner if the process is gone. Default: host and pid.
	Info string
	// Renewed is called after each renewal, by the session's goroutine, which
	// waits for it. Default: nothing.
	Renewed func()
	// Logger hears of renewals that fail and of a loss. Default: none.
	Logger *slog.Logger
}

func (c *SessionConfig) fill() error {
	if c.ID == "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return bus.NewError(bus.CodeInternal, "no random bytes for an owner's id: %v", err)
		}
		c.ID = id.String()
	}
	if c.TTL == 0 {
		c.TTL = DefaultLease
	}
	c.TTL = c.TTL.Truncate(time.Millisecond)
	if c.TTL < MinLease {
		return bus.NewError(bus.CodeUsage, "a session of %v is shorter than %v", c.TTL, MinLease)
	}
	if c.Info == "" {
		name, _ := os.Hostname() // a session without a host's name works as well
		c.Info = fmt.Sprintf("host %s, pid %d", name, os.Getpid())
	}
	if c.Renewed == nil {
		c.Renewed = func() {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Session is an owner that this process keeps alive: what is put with
// OwnedBy(s.Owner()) is there for as long as the session, and goes with it.
//
// The lease is renewed at a third of its time. A session that cannot renew it
// counts itself lost when a tenth of the time is left, so before the host ends
// the owner (TestSessionCutOff); one whose renewal is refused, at once
// (TestSessionRefused). Whoever was paused beyond that, or does not hear of it
// in time, is fenced: no write under the old token is taken (TestSessionPaused).
// A host that restarts, or another that takes over, gives the lease its full
// time again (TestSessionRestart).
//
// Safe for concurrent use. It has one goroutine, which Close waits for.
type Session struct {
	conn  *bus.Conn
	cfg   SessionConfig
	owner Owner

	ctx    context.Context // ends when the session does; the cause is why
	cancel context.CancelCauseFunc
	loop   sync.WaitGroup
	close  func() error // once

	mu       sync.Mutex
	deadline time.Time // when the session counts itself lost
	late     error     // of the last renewal, if it failed
	lost     bool
}

// OpenSession registers an owner and keeps it. ctx is for the call alone. One
// that fails may leave a registration behind, which ends after its TTL.
//
// Errors: as RegisterOwner.
func OpenSession(ctx context.Context, c *bus.Conn, cfg SessionConfig) (*Session, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if c.Local() {
		cfg.Info = proc.Sign(cfg.Info)
	}
	s := &Session{conn: c, cfg: cfg}
	s.close = sync.OnceValue(s.end)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	sent := time.Now()
	var err error
	if s.owner, err = RegisterOwner(ctx, c, cfg.ID, cfg.TTL, cfg.Info); err != nil {
		return nil, err
	}
	s.deadline = s.until(sent)
	if time.Since(sent) >= cfg.TTL/renewals { // the answer came late: ask what is left of the lease
		s.deadline = time.Now().Add(cfg.TTL)
		if err := s.renew(ctx); err != nil {
			return nil, err
		}
	}
	s.loop.Go(s.keep)
	return s, nil
}

// ID is the owner's id.
func (s *Session) ID() string { return s.owner.ID }

// Token is the owner's fencing token.
func (s *Session) Token() uint64 { return s.owner.Token }

// Owner is the owner, for OwnedBy and Registered.
func (s *Session) Owner() Owner { return s.owner }

// Conn is the connection that the session lives on.
func (s *Session) Conn() *bus.Conn { return s.conn }

// Lost is closed when the session no longer keeps its owner: it is lost, or
// closed. Err says which.
func (s *Session) Lost() <-chan struct{} { return s.ctx.Done() }

// Err is nil while the session keeps its owner, ErrNoOwner with the reason when
// it is lost, and bus.ErrClosed after Close or Orphan. It looks at the clock itself, and so is never behind it.
func (s *Session) Err() error {
	s.expire()
	return context.Cause(s.ctx)
}

// Close ends the session and its owner: everything it owns goes, as EndOwner
// says (TestOwnerEnds). It waits for the host no longer than the TTL: then the
// lease has ended by itself. Of a lost session there is nothing left to end.
// It may be called more than once and concurrently: each call returns when it
// is done, with the same error.
//
// Errors: those of bus.Conn.Call when the host did not answer; the owner ends
// with its lease.
func (s *Session) Close() error { return s.close() }

func (s *Session) end() error {
	s.Orphan()
	if s.isLost() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.cfg.TTL, bus.ErrTimeout)
	defer cancel()
	err := EndOwner(ctx, s.conn, s.owner)
	if refused(err) {
		return nil // it has ended by itself
	}
	return err
}

// Orphan ends the session and not its owner, which lives until its lease ends
// or EndOwner. It returns after the session's goroutine.
func (s *Session) Orphan() {
	s.cancel(bus.ErrClosed)
	s.loop.Wait()
}
