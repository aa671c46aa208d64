package lwj

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of owners, and their bodies as they travel: see the engine.
const (
	verbRegister = "owner.register" // ownerRegister, ownerToken
	verbRenew    = "owner.renew"    // ownerName, ownerToken; a read
	verbEnd      = "owner.end"      // ownerName
)

type ownerRegister struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       string
	TTL      int64 // milliseconds
	Info     string
}

type ownerName struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       string
	Token    uint64
}

type ownerToken struct {
	_msgpack struct{} `msgpack:",as_array"`
	Token    uint64
}

// Parts of a lease's time.
const (
	renewals = 3  // in one lease's time
	pauses   = 30 // between two tries that failed at once
	margins  = 10 // one is left at the end, to kill what runs before the host gives it to another
)

// lease is the registration of an owner, kept alive by keep.
type lease struct {
	conn     *bus.Conn
	id       string
	token    uint64
	ttl      time.Duration
	deadline time.Time // when we count it lost; keep's own
}

// until is when a lease is counted lost that was granted by a request sent then.
func (l *lease) until(sent time.Time) time.Time { return sent.Add(l.ttl - l.ttl/margins) }

// openLease registers an owner.
func openLease(ctx context.Context, conn *bus.Conn, id string, ttl time.Duration, host string) (*lease, error) {
	l := &lease{conn: conn, id: id, ttl: ttl.Truncate(time.Millisecond)}
	info := fmt.Sprintf("host %s, pid %d", host, os.Getpid())
	sent := time.Now()
	var answer ownerToken
	if err := conn.Call(ctx, verbRegister, ownerRegister{ID: id, TTL: l.ttl.Milliseconds(), Info: info}, &answer); err != nil {
		return nil, err
	}
	l.token, l.deadline = answer.Token, l.until(sent)
	if time.Since(sent) < l.ttl/renewals {
		return l, nil
	}
	l.deadline = time.Now().Add(l.ttl) // the answer came late: ask what is left of it
	return l, l.renew(ctx)
}

// keep renews the lease until ctx ends or the lease is lost, which it returns
// the reason of. It counts each renewal from when it was sent, less a margin:
// the host counts from when it came, so the lease is lost here, and what runs
// is killed, before it is lost there. renewed is called after each renewal.
func (l *lease) keep(ctx context.Context, renewed func()) error {
	pause := l.ttl / renewals
	for {
		if !sleep(ctx, min(pause, time.Until(l.deadline))) {
			return context.Cause(ctx)
		}
		err := l.renew(ctx)
		switch bus.CodeOf(err) {
		case "":
			pause = l.ttl / renewals
			renewed()
		case bus.CodeNoOwner, bus.CodeFenced:
			return err
		default:
			pause = l.ttl / pauses
		}
		if !time.Now().Before(l.deadline) {
			return fmt.Errorf("it could not be renewed for %v: %w", l.ttl, err)
		}
	}
}

// renew asks once; the call tries for a part of the lease's time.
func (l *lease) renew(ctx context.Context) error {
	sent := time.Now()
	ctx, cancel := context.WithDeadlineCause(ctx, earlier(l.deadline, sent.Add(l.ttl/renewals)), bus.ErrTimeout)
	defer cancel()
	err := l.conn.Call(ctx, verbRenew, ownerName{ID: l.id, Token: l.token}, nil, bus.Read())
	if err == nil {
		l.deadline = l.until(sent)
	}
	return err
}

// end ends the registration: the host settles what is left at once. Where it
// cannot, the lease ends by itself.
func (l *lease) end(ctx context.Context) {
	_ = l.conn.Call(ctx, verbEnd, ownerName{ID: l.id, Token: l.token}, nil)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
