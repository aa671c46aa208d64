package main

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// firstEpoch is the epoch of a job that has had one owner.
const firstEpoch = 1

// logged does the work through lwjbus and counts what one monitor tells. Every
// launcher, and the monitor, has a connection as another process has it, over
// TLS; those of chained are in process.
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
		var id atomic.Uint64 // of a job that has ended
		t.took, err = w.do(ctx, func(ctx context.Context, i int) error { return advance(ctx, clients[i], &id) })
		if err == nil {
			_, err = clients[0].Post(ctx, id.Load(), end, nil) // behind everything else: the log has one order
		}
		return err
	})
	return group.Wait()
}

// advance takes a new job through its states and stores its id.
func advance(ctx context.Context, c *lwj.Client, ended *atomic.Uint64) error {
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
	ended.Store(id)
	return nil
}

// follow counts transitions until it is told the event that ends the work.
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
