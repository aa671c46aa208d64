package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Variables of a command that runs while something is held, beside those of
// an owner.
const (
	envFence       = "LWJ_FENCE"
	envFenceBucket = "LWJ_FENCE_BUCKET"
	envFenceKey    = "LWJ_FENCE_KEY"
)

const fenceHelp = "CMD has LWJ_FENCE, a number that grows with each grant: the revision of the key LWJ_FENCE_KEY in the bucket\n" +
	"LWJ_FENCE_BUCKET, so that a condition of lwj kv txn can check it. What it puts with --owner $LWJ_OWNER goes\n" +
	"with the session, and is refused once that is lost."

// holding is a command that runs while something is held.
type holding struct {
	what    string // for people
	timeout time.Duration
	command []string
	acquire func(context.Context, *kvbucket.Session) (*held, error)
}

// held is what is held, and what is to be done before it is given back.
type held struct {
	*atomic.Grant
	leave func(context.Context) error // nil: nothing
}

// runHolding opens a session, waits for what is to be held, and runs the
// command. The end of the session gives it back.
func (a *app) runHolding(ctx context.Context, h *holding) error {
	if err := notNegative("timeout", h.timeout); err != nil {
		return err
	}
	if err := checkCommand(h.command); err != nil {
		return err
	}
	return a.inSession(ctx, h.what, func(s *kvbucket.Session) error {
		code, err := a.runHeld(ctx, s, h)
		if err != nil {
			return err
		}
		return errQuiet(code)
	})
}

// inSession joins the bus and opens a session for as long as do takes.
func (a *app) inSession(ctx context.Context, what string, do func(*kvbucket.Session) error) error {
	return a.with(ctx, func(l *link) error {
		s, err := kvbucket.OpenSession(ctx, l.Conn, kvbucket.SessionConfig{Info: processInfo() + ", " + what, Logger: a.log})
		if err != nil {
			return err
		}
		err, left := do(s), s.Close()
		if left != nil && errors.As(err, new(errQuiet)) {
			return left // it says more than an exit code
		}
		return errors.Join(err, left)
	})
}

func (a *app) runHeld(ctx context.Context, s *kvbucket.Session, h *holding) (int, error) {
	got, err := within(ctx, h.timeout, func(ctx context.Context) (*held, error) { return h.acquire(ctx, s) })
	if err != nil {
		return 0, err
	}
	bucket, key := got.Key()
	c := a.command(h.command, envFence+"="+utoa(got.Fence()), envFenceBucket+"="+bucket, envFenceKey+"="+key,
		envOwner+"="+s.ID(), envToken+"="+utoa(s.Token()))
	c.Stdin = a.In
	code, err := a.runChild(ctx, c, got.Lost())
	if lost := got.Err(); lost != nil {
		a.say("lwj: %s: the command was sent SIGTERM", visible(oneLine(lost.Error())))
		return code, err
	}
	if err == nil && got.leave != nil && ctx.Err() == nil {
		_, err = within(ctx, h.timeout, func(ctx context.Context) (any, error) { return nil, got.leave(ctx) })
	}
	return code, err
}

// within calls do with a --timeout.
func within[T any](ctx context.Context, timeout time.Duration, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := deadline(ctx, timeout)
	defer cancel()
	out, err := do(ctx)
	return out, overdue(ctx, err)
}

// nameAndCommand reads the arguments NAME -- CMD [ARG]….
func nameAndCommand(cmd *cobra.Command, args []string) (name string, command []string, err error) {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0 && len(args) > 1 || dash > 1:
		err = usagef("%s takes one name, not %q too: a command follows --", cmd.CommandPath(), args[1])
	case dash == 0:
		err = usagef("%s needs a name before --", cmd.CommandPath())
	case dash < 0 || dash == len(args):
		err = usagef("%s needs a command behind --", cmd.CommandPath())
	default:
		return args[0], args[1:], nil
	}
	return "", nil, err
}

func timeoutFlag(c *cobra.Command, to *time.Duration, usage string) {
	c.Flags().DurationVar(to, "timeout", 0, usage)
}
