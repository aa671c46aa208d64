package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// barrierOptions are the flags of barrier.
type barrierOptions struct {
	count   int
	double  bool
	timeout time.Duration
}

func (a *app) barrierCommand() *cobra.Command {
	o := &barrierOptions{}
	c := &cobra.Command{
		Use:   "barrier NAME --count N [--double -- CMD [ARG]…]",
		Short: "Wait until N have come",
		Long: "Wait until N have come to the barrier; it opens for all of them at once, and holds the next. Who is ended\n" +
			"is not counted any more. While others wait, another N is exit code 4. With -o json, the one that came last\n" +
			"is told so.\n\n" +
			"With --double, run CMD then, and wait until all that came in have ended theirs: who dies inside has. CMD\n" +
			"gets SIGTERM when the host does not hear of this program for 10 s. The exit code is that of CMD.\n\n" +
			"Exit code 124: --timeout has passed, before the barrier opened or, with --double, after CMD.",
		Example: "  lwj barrier start --count 2 &\n  lwj barrier start --count 2\n  wait\n  lwj barrier phase --count 1 --double -- echo together",
		Args:    atLeast(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkNumber(cmd, "count", o.count, atomic.MaxParties); err != nil {
				return err
			}
			if err := notNegative("timeout", o.timeout); err != nil {
				return err
			}
			if o.double {
				return a.runBarrier(cmd, args, o)
			}
			if len(args) > 1 || cmd.ArgsLenAtDash() >= 0 {
				return usagef("%s takes a command with --double only", cmd.CommandPath())
			}
			return a.waitBarrier(cmd.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.IntVar(&o.count, "count", 0, "it opens for `N`; required")
	f.BoolVar(&o.double, "double", false, "run a command inside, and leave together")
	timeoutFlag(c, &o.timeout, "wait for the others for `D` at most; 0: for ever")
	return c
}

// runBarrier runs a command inside a double barrier.
func (a *app) runBarrier(cmd *cobra.Command, args []string, o *barrierOptions) error {
	name, command, err := nameAndCommand(cmd, args)
	if err != nil {
		return err
	}
	return a.runHolding(cmd.Context(), &holding{"barrier " + name, o.timeout, command, func(ctx context.Context, s *kvbucket.Session) (*held, error) {
		return enter(ctx, s, name, o.count)
	}})
}

func enter(ctx context.Context, s *kvbucket.Session, name string, count int) (*held, error) {
	d, err := atomic.NewDoubleBarrier(s, name, count)
	if err != nil {
		return nil, err
	}
	p, err := d.Enter(ctx)
	if err != nil {
		return nil, err
	}
	return &held{p.Grant, p.Leave}, nil
}

// lockJSON is schema lock.v1: what a barrier prints.
type lockJSON struct {
	Schema string `json:"schema"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Count  int    `json:"count"`
	Last   bool   `json:"last"` // this one opened it
}

// waitBarrier waits until a barrier opens.
func (a *app) waitBarrier(ctx context.Context, name string, o *barrierOptions) error {
	return a.inSession(ctx, "barrier "+name, func(s *kvbucket.Session) error {
		b, err := atomic.NewBarrier(s, name, o.count)
		if err != nil {
			return err
		}
		last, err := within(ctx, o.timeout, b.Wait)
		if err != nil {
			return err
		}
		return a.print(&lockJSON{"lock.v1", "barrier", name, o.count, last}, "")
	})
}
