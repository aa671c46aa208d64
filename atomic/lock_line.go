package atomic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	// withdrawTime bounds how long a caller whose ctx has ended takes its place
	// back.
	withdrawTime = 5 * time.Second
	// callBits are those of place.Call: what a JSON number holds in any language.
	callBits = 53
)

// inLine is a line as a session sees it.
type inLine struct {
	session *kvbucket.Session
	line    line
	name    string
	size    int
}

func newInLine(s *kvbucket.Session, l line, name string, size int) (inLine, error) {
	in := inLine{s, l, name, size}
	r := in.request()
	return in, r.check()
}

func (l *inLine) request() acquireRequest {
	o := l.session.Owner()
	return acquireRequest{
		place: place{Line: l.line, Name: l.name, Owner: o.ID, Token: o.Token, Call: rand.Uint64N(1 << callBits)}, Size: l.size,
	}
}

// acquire waits in line until it is granted, ctx ends, or the session does. An
// answer without a fence is one to Try.
func (l *inLine) acquire(ctx context.Context, in acquireRequest) (*Grant, *acquireAnswer, error) {
	ctx, stop := l.during(ctx)
	defer stop()
	a := &acquireAnswer{}
	err := l.session.Conn().Call(ctx, verbAcquire, &in, a)
	in.Ticket = a.Ticket
	if err == nil && a.Fence == 0 && !in.Try {
		err = l.await(ctx, &awaitRequest{place: in.place}, a)
	}
	if err != nil && (in.Ticket != 0 || errors.Is(err, bus.ErrUnknownOutcome)) {
		err = l.withdraw(ctx, &in.place, a, err)
	}
	if err != nil {
		return nil, nil, l.over(ctx, err)
	}
	return &Grant{session: l.session, place: in.place, fence: a.Fence}, a, nil
}

// await asks until the place has led somewhere. A host that is away is waited
// for as long as the session is.
func (l *inLine) await(ctx context.Context, in *awaitRequest, a *acquireAnswer) error {
	for a.Fence == 0 {
		err := l.session.Conn().Call(ctx, verbAwait, in, a, bus.Read(), bus.Wait(patience(ctx)))
		if ctx.Err() != nil && a.Fence == 0 {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, bus.ErrUnreachable) {
			return err
		}
	}
	return nil
}

// patience is how long the host may hold one request.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), bus.MaxWait)
	}
	return bus.MaxWait
}

// withdraw takes the place back after err, and what it led to meanwhile; nil:
// it was at a barrier that opened. Of a session that has ended the host takes
// it back.
func (l *inLine) withdraw(ctx context.Context, p *place, a *acquireAnswer, err error) error {
	if l.session.Err() != nil || bus.CodeOf(err) == bus.CodeNoOwner {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), withdrawTime, bus.ErrTimeout)
	defer cancel()
	switch left := l.session.Conn().Call(ctx, verbWithdraw, p, a); {
	case left != nil:
		return fmt.Errorf("%w; its place in line stays until the session is closed: %w", err, left)
	case a.Fence != 0:
		return nil
	}
	return err
}

// during returns a context that ends with the session, too.
func (l *inLine) during(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	all.Go(func() { // ends with ctx; the returned function waits for it
		select {
		case <-l.session.Lost():
			cancel(l.session.Err())
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); all.Wait() }
}

// over is the error of a wait that has ended.
func (l *inLine) over(ctx context.Context, err error) error {
	if lost := l.session.Err(); lost != nil {
		return fmt.Errorf("%s %s: %w", l.line, shown([]byte(l.name)), ended(lost))
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s %s: %w: %w", l.line, shown([]byte(l.name)), bus.ErrTimeout, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w", l.line, shown([]byte(l.name)), err)
	}
	return err
}

// ended is why a session is none any more, as an ErrNoOwner.
func ended(why error) error {
	if errors.Is(why, ErrNoOwner) {
		return why
	}
	return fmt.Errorf("%w: %w", ErrNoOwner, why)
}
