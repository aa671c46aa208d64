package cli

import (
	"context"
	"errors"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// errDeadline is the cause of a context whose --timeout has passed.
type errDeadline time.Duration

func (e errDeadline) Error() string { return "timed out after " + time.Duration(e).String() }

// deadline ends ctx after d; 0 is no deadline.
func deadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, errDeadline(d))
}

// overdue returns err, or that the --timeout has passed if that is why.
func overdue(ctx context.Context, err error) error {
	var passed errDeadline
	if err != nil && errors.As(context.Cause(ctx), &passed) {
		return bus.NewError(bus.CodeTimeout, "%v", passed)
	}
	return err
}
