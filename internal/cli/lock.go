package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (a *app) lockCommand() *cobra.Command {
	var timeout time.Duration
	var shared bool
	c := &cobra.Command{
		Use:   "lock NAME -- CMD [ARG]…",
		Short: "Run a command while holding a lock",
		Long: "Wait for a lock and run CMD while holding it. Who waits is served in the order they came, one at a time;\n" +
			"with --shared, together with others that share it. The lock is released when CMD ends, and goes to the next\n" +
			"when this program dies or the host does not hear of it for 10 s: CMD gets SIGTERM then.\n\n" + fenceHelp +
			"\n\nThe exit code is that of CMD, 128+n when signal n ended it; 124 when --timeout passed before.",
		Example: "  lwj lock backup -- echo alone\n  lwj lock backup --shared --timeout 5s -- sh -c 'echo fence $LWJ_FENCE'",
		Args:    atLeast(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, command, err := nameAndCommand(cmd, args)
			if err != nil {
				return err
			}
			return a.runHolding(cmd.Context(), &holding{"lock " + name, timeout, command, func(ctx context.Context, s *kvbucket.Session) (*held, error) {
				return lockFor(ctx, s, name, shared)
			}})
		},
	}
	c.Flags().BoolVar(&shared, "shared", false, "hold it together with others that share it")
	timeoutFlag(c, &timeout, "wait for the lock for `D` at most; 0: for ever")
	return c
}

func lockFor(ctx context.Context, s *kvbucket.Session, name string, shared bool) (*held, error) {
	l, err := atomic.NewLock(s, name)
	if err != nil {
		return nil, err
	}
	var opts []atomic.LockOption
	if shared {
		opts = append(opts, atomic.Shared())
	}
	g, err := l.Lock(ctx, opts...)
	return &held{Grant: g}, err
}
