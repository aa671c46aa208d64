package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
)

// putItemOptions are the flags of fifo put.
type putItemOptions struct {
	nowait  bool
	timeout time.Duration
	lines   bool
}

func (a *app) fifoPutCommand() *cobra.Command {
	o := &putItemOptions{}
	c := &cobra.Command{
		Use:   "put NAME [ITEM|-]",
		Short: "Put an item into a pipe",
		Long: "Put an item into a pipe. The item is standard input, byte for byte, when it is - or absent; with --lines\n" +
			"each line of it is an item, without its newline. Lines are put as they come, many at once where they come\n" +
			"fast. While the pipe is full, it waits: in the order in which they came, all get room.",
		Example: "  lwj fifo create work\n  lwj fifo put work hello\n  date | lwj fifo put work\n  ls | lwj fifo put work --lines\n" +
			"  lwj fifo put work again --nowait || echo it is full",
		Args:              between(1, 2, "the name of a pipe and an item"),
		ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args[1:]); err != nil {
				return err
			}
			return a.putItems(cmd.Context(), args, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.nowait, "nowait", false, "end with 4 when the pipe is full")
	f.BoolVar(&o.lines, "lines", false, "put each line of standard input as an item")
	timeoutFlag(c, &o.timeout, "wait for room for `D` at most, then end with 124; 0: for ever")
	return c
}

func (o *putItemOptions) check(item []string) error {
	switch {
	case o.lines && len(item) > 0 && item[0] != "-":
		return usagef("--lines reads standard input: there is no item beside it")
	case o.nowait && o.timeout != 0:
		return usagef("--nowait and --timeout exclude each other")
	}
	return notNegative("timeout", o.timeout)
}

func (a *app) putItems(ctx context.Context, args []string, o *putItemOptions) error {
	if o.lines {
		return a.pipe(ctx, args[0], func(p *fifo.Pipe) error { return a.putLines(ctx, p, o) })
	}
	item, err := a.item(ctx, args[1:])
	if err != nil {
		return err
	}
	return a.pipe(ctx, args[0], func(p *fifo.Pipe) error { return o.put(ctx, p, [][]byte{item}) })
}

// item is the argument, or standard input.
func (a *app) item(ctx context.Context, args []string) ([]byte, error) {
	if len(args) > 0 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	item, err := io.ReadAll(io.LimitReader(a.input(ctx), fifo.MaxItem+1))
	if err == nil && len(item) > fifo.MaxItem {
		err = bus.NewError(bus.CodeTooLarge, "standard input has more than %d bytes: an item has at most so many", fifo.MaxItem).
			WithHint("store the data elsewhere and put its name, or use --lines")
	}
	return item, err
}

// put puts items, all or none.
func (o *putItemOptions) put(ctx context.Context, p *fifo.Pipe, items [][]byte) error {
	if o.nowait {
		return p.TryPutAll(ctx, items)
	}
	_, err := within(ctx, o.timeout, func(ctx context.Context) (any, error) { return nil, p.PutAll(ctx, items) })
	return err
}

// putLines puts the lines of standard input: those that are there at once.
func (a *app) putLines(ctx context.Context, p *fifo.Pipe, o *putItemOptions) error {
	info, err := p.Info(ctx)
	if err != nil {
		return err
	}
	lines := newLineItems(a.input(ctx), &info.Config)
	for n := 0; ; {
		items, end := lines.next()
		if len(items) > 0 {
			if err := o.put(ctx, p, items); err != nil {
				return fmt.Errorf("line %d and those behind it were not put: %w", n+1, err)
			}
		}
		n += len(items)
		switch {
		case errors.Is(end, io.EOF):
			return nil
		case end != nil:
			return fmt.Errorf("line %d: %w", n+1, end)
		}
	}
}

// lineItems cuts a stream into batches of lines.
type lineItems struct {
	in    *bufio.Reader
	most  int   // lines of a batch
	bytes int64 // of a batch, unless it is of one line
}

func newLineItems(in io.Reader, c *fifo.Config) *lineItems {
	return &lineItems{bufio.NewReaderSize(in, fifo.MaxItem+1), min(c.MaxItems, fifo.MaxBatch), min(c.MaxBytes, fifo.MaxItem)}
}

// next returns the next line and those that were read with it, as many as fit
// an empty pipe, and the reason for which there are no more.
func (l *lineItems) next() (items [][]byte, err error) {
	size := int64(0)
	for len(items) < l.most && (len(items) == 0 || l.ready(size)) {
		line, err := l.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return items, bus.NewError(bus.CodeTooLarge, "it has more than %d bytes: an item has at most so many", fifo.MaxItem)
		case err == nil:
			line = line[:len(line)-1]
		case len(line) == 0:
			return items, err
		}
		items = append(items, append([]byte(nil), line...))
		size += int64(len(line))
		if err != nil {
			return items, err
		}
	}
	return items, nil
}

// ready tells whether another line is there, and fits.
func (l *lineItems) ready(size int64) bool {
	there, _ := l.in.Peek(l.in.Buffered())
	for i, c := range there {
		if c == '\n' {
			return size+int64(i) <= l.bytes
		}
	}
	return false
}
