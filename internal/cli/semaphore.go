package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (a *app) semaphoreCommand() *cobra.Command {
	var timeout time.Duration
	var most int
	c := &cobra.Command{
		Use:   "semaphore NAME --max N -- CMD [ARG]…",
		Short: "Run a command with a slot of a semaphore",
		Long: "Wait for one of N slots and run CMD with it. Who waits is served in the order they came. The slot is free\n" +
			"again when CMD ends, and when this program dies or the host does not hear of it for 10 s: CMD gets SIGTERM\n" +
			"then. While the semaphore is in use, another N is exit code 4.\n\n" + fenceHelp +
			"\n\nThe exit code is that of CMD, 128+n when signal n ended it; 124 when --timeout passed before.",
		Example: "  lwj semaphore licences --max 3 -- echo one of three",
		Args:    atLeast(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, command, err := nameAndCommand(cmd, args)
			if err == nil {
				err = checkNumber(cmd, "max", most, atomic.MaxSlots)
			}
			if err != nil {
				return err
			}
			return a.runHolding(cmd.Context(), &holding{"semaphore " + name, timeout, command, func(ctx context.Context, s *kvbucket.Session) (*held, error) {
				return slotFor(ctx, s, name, most)
			}})
		},
	}
	c.Flags().IntVar(&most, "max", 0, "`N` hold it at the same time; required")
	timeoutFlag(c, &timeout, "wait for a slot for `D` at most; 0: for ever")
	return c
}

func slotFor(ctx context.Context, s *kvbucket.Session, name string, most int) (*held, error) {
	sem, err := atomic.NewSemaphore(s, name, most)
	if err != nil {
		return nil, err
	}
	g, err := sem.Acquire(ctx)
	return &held{Grant: g}, err
}

// checkNumber wants a flag that is required to be 1 to most.
func checkNumber(cmd *cobra.Command, flag string, n, most int) error {
	switch {
	case !cmd.Flags().Changed(flag):
		return usagef("%s needs --%s", cmd.CommandPath(), flag)
	case n < 1 || n > most:
		return usagef("--%s %d: it is 1 to %d", flag, n, most)
	}
	return nil
}
