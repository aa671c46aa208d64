package kvbucket

import (
	"context"
	"fmt"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Parts of a lease's time.
const (
	renewals = 3  // in one lease's time
	pauses   = 30 // between two tries that failed at once
	margins  = 10 // one is left at the end: the holder stops before the host gives away what it owns
)

// until is when a session counts itself lost whose lease was granted by a
// request sent then: the host counts from when it came.
func (s *Session) until(sent time.Time) time.Time { return sent.Add(s.cfg.TTL - s.cfg.TTL/margins) }

// keep renews the lease until the session ends.
func (s *Session) keep() {
	pause := s.cfg.TTL / renewals
	for s.sleep(pause) {
		err := s.renew(s.ctx)
		switch {
		case err == nil:
			pause = s.cfg.TTL / renewals
			s.cfg.Renewed()
		case refused(err):
			s.lose(err)
		default:
			pause = s.cfg.TTL / pauses
		}
	}
}

// sleep waits, at most until the session is lost; false: it has ended.
func (s *Session) sleep(d time.Duration) bool {
	s.mu.Lock()
	t := time.NewTimer(min(d, time.Until(s.deadline)))
	s.mu.Unlock()
	defer t.Stop()
	select {
	case <-t.C:
		return !s.expire()
	case <-s.ctx.Done():
		return false
	}
}

// renew asks once; the call tries for a part of the lease's time.
func (s *Session) renew(ctx context.Context) error {
	sent := time.Now()
	s.mu.Lock()
	most := s.deadline
	s.mu.Unlock()
	if part := sent.Add(s.cfg.TTL / renewals); part.Before(most) {
		most = part
	}
	ctx, cancel := context.WithDeadlineCause(ctx, most, bus.ErrTimeout)
	defer cancel()
	err := RenewOwner(ctx, s.conn, s.owner)
	s.mu.Lock()
	first := s.late == nil && s.ctx.Err() == nil
	if s.late = err; err == nil {
		s.deadline = s.until(sent)
	}
	s.mu.Unlock()
	if err != nil && first {
		s.cfg.Logger.Warn("a session cannot renew its lease and tries again", "owner", s.owner.ID, "error", err)
	}
	return err
}

// refused tells whether the host says that there is no such owner.
func refused(err error) bool {
	code := bus.CodeOf(err)
	return code == bus.CodeNoOwner || code == bus.CodeFenced
}

// expire ends a session that was not renewed in time.
func (s *Session) expire() bool {
	s.mu.Lock()
	late, over := s.late, !time.Now().Before(s.deadline)
	s.mu.Unlock()
	why := fmt.Errorf("it was not renewed for %v", s.cfg.TTL)
	if late != nil {
		why = fmt.Errorf("%w: %w", why, late)
	}
	if over {
		s.lose(why)
	}
	return over
}

// lose ends the session, unless it has ended.
func (s *Session) lose(why error) {
	s.mu.Lock()
	first := s.ctx.Err() == nil
	if first {
		s.lost = true
		s.cancel(bus.NewError(bus.CodeNoOwner, "the session of owner %q is lost: %v", s.owner.ID, why).
			WithHint("open another: nothing is written under its token any more"))
	}
	s.mu.Unlock()
	if first {
		s.cfg.Logger.Warn("a session is lost", "owner", s.owner.ID, "error", why)
	}
}

func (s *Session) isLost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}
