package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
)

// getItemOptions are the flags of fifo get and dead.
type getItemOptions struct {
	nowait  bool
	timeout time.Duration
	number  int
	auto    bool

	dead    bool
	many    bool // --number was given
	command []string
}

const getItemHelp = "Without -n the item is written byte for byte, with a newline behind it only on a terminal; with -n up to N\n" +
	"items, as many as are there, as lines. They are acknowledged once standard output has them. With CMD each item\n" +
	"is its standard input, one after the other: it is acknowledged when CMD ends with 0, and else handed back, and\n" +
	"the exit code is CMD's. CMD has LWJ_PIPE, LWJ_ITEM, the number of the item, and LWJ_DELIVERIES, and keeps the\n" +
	"item however long it takes. With --auto-ack items are acknowledged before: each is handed out once at most."

func (a *app) fifoGetCommand() *cobra.Command {
	o := &getItemOptions{}
	c := a.getItemCommand(o, "get NAME [-- CMD [ARG]…]", "Get an item from a pipe")
	c.Long = "Get an item from a pipe. While it is empty, it waits; at the end of file, when the pipe is closed and all\n" +
		"is acknowledged, the exit code is 3.\n\n" + getItemHelp
	c.Example = "  lwj fifo create work\n  lwj fifo put work hello\n  lwj fifo put work all\n  lwj fifo get work\n" +
		"  lwj fifo get work -- sh -c 'echo item $LWJ_ITEM: $(cat)'\n  lwj fifo get work --nowait || echo it is empty"
	c.Flags().BoolVar(&o.auto, "auto-ack", false, "acknowledge before: at most once")
	return c
}

func (a *app) fifoDeadCommand() *cobra.Command {
	o := &getItemOptions{dead: true}
	c := a.getItemCommand(o, "dead NAME [-- CMD [ARG]…]", "Get a dead letter of a pipe")
	c.Long = "Get a dead letter of a pipe: an item that was handed out as often as --max-deliver of lwj fifo create allows.\n" +
		"It is got like an item: acknowledged, it is gone. -o json tells how often it was handed out.\n\n" + getItemHelp
	c.Example = "  lwj fifo create work --max-deliver 1\n  lwj fifo put work poison\n  lwj fifo get work -- false || echo it failed\n" +
		"  lwj fifo dead work -- lwj fifo put work\n  lwj fifo get work"
	c.Flags().BoolVar(&o.auto, "auto-ack", false, "acknowledge before: at most once")
	return c
}

func (a *app) getItemCommand(o *getItemOptions, use, short string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: atLeast(1, "the name of a pipe"), ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			name := args[0]
			if o.many = cmd.Flags().Changed("number"); cmd.ArgsLenAtDash() >= 0 || len(args) > 1 {
				name, o.command, err = nameAndCommand(cmd, args)
			}
			if err = errors.Join(err, o.check()); err != nil {
				return err
			}
			return a.pipe(cmd.Context(), name, func(p *fifo.Pipe) error { return a.getItems(cmd.Context(), p, o) })
		},
	}
	f := c.Flags()
	f.BoolVar(&o.nowait, "nowait", false, "end with 4 when nothing is there")
	f.IntVarP(&o.number, "number", "n", 1, "get up to `N` items")
	timeoutFlag(c, &o.timeout, "wait for an item for `D` at most, then end with 124; 0: for ever")
	return c
}

func (o *getItemOptions) check() error {
	switch {
	case o.nowait && o.timeout != 0:
		return usagef("--nowait and --timeout exclude each other")
	case o.number < 1 || o.number > fifo.MaxBatch:
		return usagef("--number %d: it is 1 to %d", o.number, fifo.MaxBatch)
	case o.command != nil && o.auto:
		return usagef("--auto-ack and a command exclude each other: its end acknowledges")
	case o.command != nil:
		if err := checkCommand(o.command); err != nil {
			return err
		}
	}
	return notNegative("timeout", o.timeout)
}

// reading opens a reader for as long as do takes.
func (a *app) reading(ctx context.Context, p *fifo.Pipe, dead bool, do func(*fifo.Reader) error, opts ...fifo.ReaderOption) error {
	open, what := p.Reader, "get"
	if dead {
		open, what = p.Dead, "dead"
	}
	r, err := open(ctx, append(opts, fifo.WithSession(a.pipeSession(what, p)))...)
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

func (a *app) getItems(ctx context.Context, p *fifo.Pipe, o *getItemOptions) error {
	var opts []fifo.ReaderOption
	if o.auto {
		opts = append(opts, fifo.AutoAck())
	}
	return a.reading(ctx, p, o.dead, func(r *fifo.Reader) error {
		if o.command != nil {
			return a.runItems(ctx, p, r, o)
		}
		items, err := o.get(ctx, p, r, o.number, o.nowait)
		if err != nil {
			return err
		}
		if err := a.printItems(p, items, o); err != nil || o.auto {
			return err
		}
		return r.Ack(context.WithoutCancel(ctx), items...)
	}, opts...)
}

// get gets up to n items; the end of file is exit code 3.
func (o *getItemOptions) get(ctx context.Context, p *fifo.Pipe, r *fifo.Reader, n int, nowait bool) ([]*fifo.Item, error) {
	get := r.GetN
	if nowait {
		get = r.TryGetN
	}
	items, err := within(ctx, o.timeout, func(ctx context.Context) ([]*fifo.Item, error) { return get(ctx, n) })
	if errors.Is(err, io.EOF) {
		err = errTold{exitNotFound, bus.NewError(bus.CodeEnded, "end of file: pipe %q is closed and empty", p.Name())}
	}
	return items, err
}

// printItems writes one item as it is, and several as lines.
func (a *app) printItems(p *fifo.Pipe, items []*fifo.Item, o *getItemOptions) error {
	if !o.many {
		text := string(items[0].Data)
		if a.tty {
			text = itemLine(items[0].Data)
		}
		return a.print(newItemJSON(p.Name(), items[0], o.dead), text)
	}
	rows := a.stream()
	return endRows(rows, a.addItems(rows, p, items, o.dead))
}

// addItems writes items as lines, at once, or as JSON.
func (a *app) addItems(rows *rows, p *fifo.Pipe, items []*fifo.Item, dead bool) error {
	var text []byte
	for _, i := range items {
		if rows.format == outputTable {
			text = append(text, itemLine(i.Data)...)
		} else if err := rows.add(newItemJSON(p.Name(), i, dead)); err != nil {
			return err
		}
	}
	_, err := a.Out.Write(text)
	return err
}

// itemLine is an item with a newline behind it, unless it ends in one.
func itemLine(data []byte) string {
	if n := len(data); n > 0 && data[n-1] == '\n' {
		return string(data)
	}
	return string(data) + "\n"
}
