package cli

import (
	"context"
	"errors"
	"time"

	"github.com/lwjbus/lwjbus/lwj"
)

// redrawPause is how long changes are gathered before the list is shown again.
const redrawPause = 100 * time.Millisecond

// clearScreen makes a terminal empty, the cursor at its top.
const clearScreen = "\x1b[H\x1b[2J"

// watchJobs shows the list, and again after every change, until ctx ends.
func (a *app) watchJobs(ctx context.Context, c *lwj.Client, o *jobsOptions) error {
	m, err := c.Events(ctx, lwj.EventOptions{Now: true, Kinds: []lwj.Kind{lwj.KindState}})
	if err != nil {
		return err
	}
	return errors.Join(a.redraw(ctx, c, o, m), m.Close())
}

func (a *app) redraw(ctx context.Context, c *lwj.Client, o *jobsOptions, m *lwj.Monitor) error {
	for {
		if a.tty && a.output == outputTable {
			if err := writeString(a.Out, clearScreen); err != nil {
				return err
			}
		}
		if err := a.listJobs(ctx, c, o); err != nil {
			return err
		}
		if err := nextChange(ctx, m); err != nil {
			return err
		}
	}
}

// nextChange returns when something has happened and a moment has passed.
func nextChange(ctx context.Context, m *lwj.Monitor) error {
	for {
		ev, err := m.Next(ctx)
		if err != nil {
			return err
		}
		if !ev.CaughtUp {
			break
		}
	}
	moment, cancel := context.WithTimeout(ctx, redrawPause)
	defer cancel()
	for {
		_, err := m.Next(moment)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case moment.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}
