package cli

import (
	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/fifo"
)

func (a *app) fifoCreateCommand() *cobra.Command {
	var cfg fifo.Config
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a pipe",
		Long: "Create a pipe. One that is there with the same limits is as good; with other limits it stays as it is, and\n" +
			"the exit code is 4. Items that were handed out and not acknowledged, and dead letters, count against the\n" +
			"limits like those that wait.",
		Example:           "  lwj fifo create work --max-items 1000 --max-deliver 3\n  lwj fifo create work --max-items 1 || echo it has other limits",
		Args:              exactly(1, "the name of a pipe"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPipe(&cfg); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error {
				_, err := fifo.Create(cmd.Context(), l.Conn, args[0], cfg)
				return err
			})
		},
	}
	f := c.Flags()
	f.IntVar(&cfg.MaxItems, "max-items", fifo.DefaultMaxItems, "hold `N` items at most")
	f.Int64Var(&cfg.MaxBytes, "max-bytes", fifo.DefaultMaxBytes, "hold `B` bytes of items at most")
	f.DurationVar(&cfg.AckWait, "ack-wait", fifo.DefaultAckWait, "hand an item to another that was not acknowledged for `D`; 0: when its consumer ends")
	f.IntVar(&cfg.MaxDeliver, "max-deliver", 0, "hand an item out `N` times at most, then to the dead letters; 0: no limit")
	return c
}

// checkPipe refuses what the library takes for a default, and makes no time
// to acknowledge what it is there.
func checkPipe(cfg *fifo.Config) error {
	switch {
	case cfg.MaxItems == 0:
		return usagef("--max-items 0: a pipe holds an item at least")
	case cfg.MaxBytes == 0:
		return usagef("--max-bytes 0: a pipe holds a byte at least")
	case cfg.AckWait < 0:
		return notNegative("ack-wait", cfg.AckWait)
	case cfg.AckWait == 0:
		cfg.AckWait = fifo.NoAckWait
	}
	return nil
}
