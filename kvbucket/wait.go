package kvbucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// WaitOption changes one wait.
type WaitOption func(*awaitRequest)

// UnlessOwnerEnds has a wait end with ErrOwnerEnded when no owner is
// registered under id at the call, or the one that is ends first; another that
// registers the same id later does not count. A job is the owner "job_N" until
// it is in a final state. Of several such options the last counts.
func UnlessOwnerEnds(id string) WaitOption { return func(r *awaitRequest) { r.Owner = &id } }

// Wait returns the key as soon as it exists. It waits at the host, so no
// change is missed between reading and waiting: a key that is put after the
// call ends the wait even if it is deleted at once, with the entry that was put
// (TestWaitMissesNothing).
//
// Errors: bus.ErrTimeout with the cause when the deadline of ctx passed; the
// cause when ctx was canceled; ErrOwnerEnded with UnlessOwnerEnds; ErrEmptyKey,
// ErrInvalidKey, ErrInvalidOwner; those of bus.Conn.Call.
func (b *Bucket) Wait(ctx context.Context, key string, opts ...WaitOption) (*Entry, error) {
	return b.WaitAny(ctx, []string{key}, opts...)
}

// WaitAny returns one of the keys, at most MaxOperations, as soon as one
// exists: the first of those that do, in the order of keys.
//
// Errors: as Bucket.Wait; CodeUsage for no key, ErrTooLarge for too many.
func (b *Bucket) WaitAny(ctx context.Context, keys []string, opts ...WaitOption) (*Entry, error) {
	a, err := b.await(ctx, &awaitRequest{Bucket: b.name, Keys: keys}, opts)
	if err != nil {
		return nil, err
	}
	return a.only()
}

// WaitAll returns the keys, at most MaxOperations, as soon as all exist: in the
// order of keys, as they were at one revision.
//
// Errors: as WaitAny.
func (b *Bucket) WaitAll(ctx context.Context, keys []string, opts ...WaitOption) ([]*Entry, error) {
	return again(true, func() ([]*Entry, error) {
		a, err := b.await(ctx, &awaitRequest{Bucket: b.name, Keys: keys, All: true}, opts)
		if err != nil {
			return nil, err
		}
		list := appendEntries(nil, a.Changes)
		for len(list) < len(keys) { // they did not fit
			e, err := b.Get(ctx, keys[len(list)], At(a.Revision))
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	})
}

// await asks until there is an answer. The first request is not held: it says
// where the wait begins, and who the owner is.
func (b *Bucket) await(ctx context.Context, in *awaitRequest, opts []WaitOption) (*awaitAnswer, error) {
	for _, set := range opts {
		set(in)
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	for hold := time.Duration(0); ; hold = patience(ctx) {
		var a awaitAnswer
		err := b.conn.Call(ctx, verbAwait, in, &a, bus.Read(), bus.Wait(hold))
		switch {
		case err == nil && len(a.Changes) > 0:
			return &a, nil
		case ctx.Err() != nil:
			return nil, over(ctx, "wait for key %s", in)
		case err != nil:
			return nil, err
		}
		in.After, in.Token = &a.Revision, a.Token
	}
}

// String is what a message says of the keys.
func (r *awaitRequest) String() string {
	if n := len(r.Keys) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", shown(r.Keys[0]), n)
	}
	return shown(r.Keys[0])
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

// Revision returns the namespace's newest revision.
//
// Errors: those of bus.Conn.Call.
func Revision(ctx context.Context, c *bus.Conn) (uint64, error) {
	var a writeAnswer
	err := c.Call(ctx, verbRevision, &revisionRequest{}, &a, bus.Read())
	return a.Revision, err
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
