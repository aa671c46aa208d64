package kvbucket_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const sessionTTL = 3 * time.Second

func (q *quiet) session(cfg kvbucket.SessionConfig) *kvbucket.Session {
	q.t.Helper()
	if cfg.TTL == 0 {
		cfg.TTL = sessionTTL
	}
	s, err := kvbucket.OpenSession(q.ctx(), q.conn, cfg)
	check(q.t, err)
	return s
}

func isLost(s *kvbucket.Session) bool {
	select {
	case <-s.Lost():
		return true
	default:
		return false
	}
}

// wantLost checks that a session is lost, and says so.
func wantLost(t *testing.T, s *kvbucket.Session) {
	t.Helper()
	if err := s.Err(); !errors.Is(err, kvbucket.ErrNoOwner) {
		t.Errorf("want %v, got %v", kvbucket.ErrNoOwner, err)
	}
	if !isLost(s) {
		t.Error("want Lost closed, got it open")
	}
}

// wantKept checks that a session goes on.
func wantKept(t *testing.T, s *kvbucket.Session) {
	t.Helper()
	if err := s.Err(); err != nil || isLost(s) {
		t.Fatalf("want the session kept, got %v", err)
	}
}

// TestSession: a session is renewed three times in its TTL, for as long as it
// is open, and its owner ends with it.
func TestSession(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		renewed := 0
		s := q.session(kvbucket.SessionConfig{ID: "o", Renewed: func() { renewed++ }})
		before := q.calls.Load()
		sleep(time.Hour)
		wantKept(t, s)
		same(t, true, q.registered(kvbucket.Owner{ID: "o", Token: s.Token()}))
		same(t, 3600, renewed)
		same(t, before+3600, q.calls.Load())
		check(t, s.Close())
		same(t, false, q.registered(s.Owner()))
		same(t, true, isLost(s))
		same(t, true, errors.Is(s.Err(), bus.ErrClosed))
		sleep(time.Hour)
		same(t, 3600, renewed)
	})
}

// TestSessionCutOff: a session that cannot renew tries on, and counts itself
// lost before the host does; the host ends the owner at most 2 s after its TTL.
func TestSessionCutOff(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		s := q.session(kvbucket.SessionConfig{})
		sleep(10 * sessionTTL)
		q.cut.Store(true)
		sleep(sessionTTL / 2)
		q.cut.Store(false)
		sleep(10 * sessionTTL)
		wantKept(t, s)
		q.cut.Store(true)
		before := time.Now()
		<-s.Lost()
		if d := time.Since(before); d < sessionTTL/2 || d >= sessionTTL {
			t.Errorf("want it lost before its TTL of %v, got %v", sessionTTL, d)
		}
		wantLost(t, s)
		same(t, true, q.registered(s.Owner()))
		sleep(sessionTTL + 2*time.Second - time.Since(before))
		same(t, false, q.registered(s.Owner()))
		check(t, s.Close())
	})
}

// TestSessionRefused: a session whose owner was ended hears of it with its next
// renewal, also when the id has been registered again.
func TestSessionRefused(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		inQuiet(t, func(q *quiet) {
			s := q.session(kvbucket.SessionConfig{ID: "o"})
			check(t, kvbucket.EndOwner(q.ctx(), q.conn, s.Owner()))
			if again {
				_, err := kvbucket.RegisterOwner(q.ctx(), q.conn, "o", time.Hour, "")
				check(t, err)
			}
			before := time.Now()
			<-s.Lost()
			if d := time.Since(before); d > sessionTTL/3 {
				t.Errorf("want to hear of it within %v, got %v", sessionTTL/3, d)
			}
			wantLost(t, s)
			check(t, s.Close())
			_, err := kvbucket.RegisterOwner(q.ctx(), q.conn, "o", time.Hour, "")
			same(t, again, errors.Is(err, kvbucket.ErrExists))
		})
	}
}

// TestSessionRestart: a host that restarts gives the lease its full time again.
func TestSessionRestart(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		s := q.session(kvbucket.SessionConfig{})
		for range 5 {
			sleep(10 * sessionTTL)
			q.cut.Store(true)
			sleep(sessionTTL / 2)
			q.restart()
			q.cut.Store(false)
			sleep(sessionTTL / 3)
			wantKept(t, s)
		}
		idle, err := kvbucket.RegisterOwner(q.ctx(), q.conn, "idle", sessionTTL, "")
		check(t, err)
		sleep(sessionTTL - time.Millisecond)
		q.restart()
		sleep(sessionTTL - time.Millisecond)
		same(t, true, q.registered(idle))
		sleep(2 * time.Second)
		same(t, false, q.registered(idle))
		check(t, s.Close())
	})
}

// TestSessionLateAnswer: a lease whose registration was answered late is asked
// about before it is believed in.
func TestSessionLateAnswer(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]error{2 * time.Second: nil, time.Minute: kvbucket.ErrNoOwner} {
		inQuiet(t, func(q *quiet) {
			wait := func(verb string) {
				if verb == "owner.register" {
					time.Sleep(late) // fake time
				}
			}
			q.late.Store(&wait)
			s, err := kvbucket.OpenSession(q.ctx(), q.conn, kvbucket.SessionConfig{TTL: sessionTTL})
			if !errors.Is(err, want) {
				t.Fatalf("%v late: want %v, got %v", late, want, err)
			}
			if err == nil {
				sleep(10 * sessionTTL)
				wantKept(t, s)
				check(t, s.Close())
			}
		})
	}
}

// TestSessionClose: Close is for whoever comes, as often as they come.
func TestSessionClose(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		s := q.session(kvbucket.SessionConfig{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { check(t, s.Close()) })
		}
		all.Wait()
		check(t, s.Close())
		same(t, false, q.registered(s.Owner()))

		orphan := q.session(kvbucket.SessionConfig{})
		orphan.Orphan()
		same(t, true, errors.Is(orphan.Err(), bus.ErrClosed))
		same(t, true, q.registered(orphan.Owner()))
		check(t, orphan.Close())
		same(t, false, q.registered(orphan.Owner()))

		far := q.session(kvbucket.SessionConfig{})
		q.cut.Store(true)
		before := time.Now()
		if err := far.Close(); err == nil {
			t.Error("want the host's silence, got nil")
		}
		if d := time.Since(before); d > sessionTTL {
			t.Errorf("want Close to wait %v at most, got %v", sessionTTL, d)
		}
	})
}

// TestSessionConfig: what cannot be is refused, and registers nothing.
func TestSessionConfig(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		for _, ttl := range []time.Duration{-1, time.Microsecond, kvbucket.MinLease - time.Millisecond, kvbucket.MaxLease + time.Millisecond} {
			_, err := kvbucket.OpenSession(q.ctx(), q.conn, kvbucket.SessionConfig{TTL: ttl})
			same(t, bus.CodeUsage, bus.CodeOf(err))
			_, err = kvbucket.RegisterOwner(q.ctx(), q.conn, "o", ttl, "")
			same(t, bus.CodeUsage, bus.CodeOf(err))
		}
		s := q.session(kvbucket.SessionConfig{ID: "o"})
		_, err := kvbucket.OpenSession(q.ctx(), q.conn, kvbucket.SessionConfig{ID: "o"})
		refused(t, err, kvbucket.ErrExists, s.Token())
		check(t, s.Close())
	})
}
