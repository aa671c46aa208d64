package kvbucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Wait returns the key as soon as it exists. It waits at the host, so no
// change is missed between reading and waiting.
//
// Errors: bus.ErrTimeout with the cause when the deadline of ctx passed; the
// cause when ctx was canceled; ErrEmptyKey, ErrInvalidKey; those of
// bus.Conn.Call.
func (b *Bucket) Wait(ctx context.Context, key string) (*Entry, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	for {
		var p page
		err := b.conn.Call(ctx, verbAwait, &keyRequest{b.name, key}, &p, bus.Read(), bus.Wait(patience(ctx)))
		switch {
		case err == nil && len(p.Changes) > 0:
			return p.only()
		case ctx.Err() != nil:
			return nil, over(ctx, "wait for key %s", shown(key))
		case err != nil:
			return nil, err
		}
	}
}

// Revision returns the namespace's newest revision.
//
// Errors: those of bus.Conn.Call.
func Revision(ctx context.Context, c *bus.Conn) (uint64, error) {
	var a writeAnswer
	err := c.Call(ctx, verbRevision, &revisionRequest{}, &a, bus.Read())
	return a.Revision, err
}

// WaitRevision returns when the namespace's revision is at least revision:
// every read of this host that begins later sees what was written until then.
//
// Errors: as Bucket.Wait.
func WaitRevision(ctx context.Context, c *bus.Conn, revision uint64) error {
	for {
		var a writeAnswer
		err := c.Call(ctx, verbRevision, &revisionRequest{revision}, &a, bus.Read(), bus.Wait(patience(ctx)))
		switch {
		case err == nil && a.Revision >= revision:
			return nil
		case ctx.Err() != nil:
			return over(ctx, "wait for revision %d", revision)
		case err != nil:
			return err
		}
	}
}

// patience is how long the host may hold one request.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), bus.MaxWait)
	}
	return bus.MaxWait
}

// over is the error of a wait whose context has ended.
func over(ctx context.Context, format string, args ...any) error {
	what, cause := fmt.Sprintf(format, args...), context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w: %w", what, bus.ErrTimeout, cause)
	}
	return fmt.Errorf("%s: %w", what, cause)
}
