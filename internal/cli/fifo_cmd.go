package cli

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/lwjbus/lwjbus/fifo"
)

// Variables of a command that an item is given to.
const (
	envPipe       = "LWJ_PIPE"
	envItem       = "LWJ_ITEM"
	envDeliveries = "LWJ_DELIVERIES"
)

// runItems runs the command for up to so many items: it waits for the first,
// and takes of the others those that are there.
func (a *app) runItems(ctx context.Context, p *fifo.Pipe, r *fifo.Reader, o *getItemOptions) error {
	info, err := p.Info(ctx)
	if err != nil {
		return err
	}
	for n := range o.number {
		items, err := o.get(ctx, p, r, 1, o.nowait || n > 0)
		if err != nil {
			var end errTold
			if n > 0 && (errors.Is(err, fifo.ErrEmpty) || errors.As(err, &end)) {
				return nil
			}
			return err
		}
		code, err := a.runItem(ctx, info, r, items[0], o.command)
		switch {
		case err != nil:
			return err
		case code != exitOK || ctx.Err() != nil:
			return errQuiet(code)
		}
	}
	return nil
}

// runItem runs the command with an item and acknowledges it, or hands it back.
// A command whose item is no longer its own gets SIGTERM.
func (a *app) runItem(ctx context.Context, info *fifo.Info, r *fifo.Reader, i *fifo.Item, command []string) (code int, err error) {
	c := a.command(command, envPipe+"="+info.Name, envItem+"="+utoa(i.Seq), envDeliveries+"="+itoa(int64(i.Deliveries)))
	c.Stdin = bytes.NewReader(i.Data)
	settle := context.WithoutCancel(ctx)
	kept, release := context.WithCancel(settle)
	lost := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() { // ends below
		if err := r.Keep(kept, info.Config.AckWait, i); err != nil {
			a.say("lwj: %s: the command is sent SIGTERM", visible(oneLine(err.Error())))
			close(lost)
		}
	})
	code, err = a.runChild(ctx, c, lost)
	release()
	keeper.Wait()
	if err == nil && code == exitOK {
		return code, i.Ack(settle)
	}
	if left := i.Nak(settle); !errors.Is(left, fifo.ErrNotHeld) {
		err = errors.Join(err, left)
	}
	return code, err
}
