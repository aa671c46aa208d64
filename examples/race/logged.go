package main

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// firstEpoch is the epoch of a job that has had one owner.
const firstEpoch = 1

// logged does the work through lwjbus and counts what one monitor tells. Every
// launcher, and the monitor, has a connection as another process would have it.
func logged(ctx context.Context, h *host.Host, w work, t *tally) error {
	clients := make([]*lwj.Client, w.launchers+1)
	for i := range clients {
		conn, err := bus.DialLocal(ctx, h.Dir(), bus.Config{})
		if err != nil {
			return err
		}
		defer conn.Close()
		clients[i] = lwj.NewClient(conn)
	}
	monitor, err := clients[w.launchers].Events(ctx, lwj.EventOptions{Now: true})
	if err != nil {
		return err
	}
	defer monitor.Close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return follow(ctx, monitor, t) })
	group.Go(func() (err error) {
		t.took, err = w.do(ctx, func(ctx context.Context, i int) error { return advance(ctx, clients[i]) })
		if err != nil {
			return err
		}
		return mark(ctx, clients[0])
	})
	return group.Wait()
}

// advance takes one new job through its states.
func advance(ctx context.Context, c *lwj.Client) error {
	all := states()
	id, err := c.Submit(ctx, lwj.Spec{Name: "race"}, lwj.External(all[0]))
	if err != nil {
		return err
	}
	for _, state := range all[1:] {
		if err := c.AdvanceOne(ctx, id, state, firstEpoch, nil); err != nil {
			return err
		}
	}
	return nil
}

// mark posts an event behind everything else: the log has one order.
func mark(ctx context.Context, c *lwj.Client) error {
	id, err := c.Submit(ctx, lwj.Spec{Name: end}, lwj.External(lwj.Submitted))
	if err != nil {
		return err
	}
	_, err = c.Post(ctx, id, end, nil)
	return err
}

// follow counts transitions until it is told the mark.
func follow(ctx context.Context, monitor *lwj.Monitor, t *tally) error {
	for {
		event, err := monitor.Next(ctx)
		switch {
		case err != nil:
			return err
		case event.Kind == lwj.KindEvent && event.Name == end:
			return nil
		case event.Kind == lwj.KindState:
			t.hear(event.Job, event.To)
		}
	}
}
