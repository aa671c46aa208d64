package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/fifo"
)

func (a *app) fifoCatCommand() *cobra.Command {
	var until bool
	c := &cobra.Command{
		Use:   "cat NAME",
		Short: "Write the items of a pipe as lines until its end",
		Long: "Write the items of a pipe as lines, until it is closed (lwj fifo close) and all is acknowledged; with\n" +
			"--until-writers-close until nothing is left and the last of its writers has closed, too. Writers are those\n" +
			"that programs open and lwj fifo bridge --in; lwj fifo put is none. Items are acknowledged once standard\n" +
			"output has them.",
		Example:           "  lwj fifo create work\n  lwj fifo put work hello\n  lwj fifo close work\n  lwj fifo cat work",
		Args:              exactly(1, "the name of a pipe"),
		ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pipe(cmd.Context(), args[0], func(p *fifo.Pipe) error { return a.catPipe(cmd.Context(), p, until) })
		},
	}
	c.Flags().BoolVar(&until, "until-writers-close", false, "end when the last writer has closed, too")
	return c
}

func (a *app) catPipe(ctx context.Context, p *fifo.Pipe, until bool) error {
	var opts []fifo.ReaderOption
	if until {
		opts = append(opts, fifo.UntilWritersClose())
	}
	return a.reading(ctx, p, false, func(r *fifo.Reader) error {
		rows := a.stream()
		return endRows(rows, a.catItems(ctx, p, r, rows))
	}, opts...)
}

func (a *app) catItems(ctx context.Context, p *fifo.Pipe, r *fifo.Reader, rows *rows) error {
	for {
		items, err := r.GetN(ctx, fifo.MaxBatch)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := a.addItems(rows, p, items, false); err != nil {
			return err
		}
		if err := r.Ack(context.WithoutCancel(ctx), items...); err != nil {
			return err
		}
	}
}
