package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/fifo"
)

func (a *app) fifoLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the pipes",
		Example: "  lwj fifo create work\n  lwj fifo ls\n  lwj fifo ls -o jsonl",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(l *link) error { return a.listPipes(cmd.Context(), l) })
		},
	}
}

func (a *app) listPipes(ctx context.Context, l *link) error {
	pipes, err := fifo.List(ctx, l.Conn)
	if err != nil {
		return err
	}
	rows := a.rows("NAME", "READY", "IN-FLIGHT", "DEAD", "BYTES", "WRITERS", "CLOSED")
	for _, p := range pipes {
		err := rows.add(newPipeJSON(p), p.Name, itoa(int64(p.Ready)), itoa(int64(p.InFlight)), itoa(int64(p.Dead)), itoa(p.Bytes),
			itoa(int64(p.Writers)), yes(p.Closed))
		if err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

func (a *app) fifoInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "info NAME",
		Short:             "Show the limits of a pipe and what is in it",
		Example:           "  lwj fifo create work\n  lwj fifo info work\n  lwj fifo info work -o json",
		Args:              exactly(1, "the name of a pipe"),
		ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pipe(cmd.Context(), args[0], func(p *fifo.Pipe) error {
				i, err := p.Info(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(newPipeJSON(i), pipeText(i))
			})
		},
	}
}
