package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	since  string
	states []string
	follow bool
	count  int

	events lwj.EventOptions
}

func (a *app) eventsCommand() *cobra.Command {
	o := &eventsOptions{}
	c := &cobra.Command{
		Use:   "events [N]…",
		Short: "Show every event of jobs, each once and in order",
		Long: "Show every event of all jobs, or of some, each once and in order. Without -f it ends when all that has\n" +
			"happened is shown; with -f it goes on. It begins at the oldest event that is kept; with -f and no job\n" +
			"named, now. --since takes a revision, a time (RFC 3339), how long ago (10m), or start.",
		Example: "  lwj run -- echo hello\n  lwj events\n  lwj events 1 --state running,complete -o jsonl\n  lwj events -f --since start --count 4",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := o.check(args, time.Now()); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error { return a.events(cmd.Context(), lwj.NewClient(l.Conn), o) })
		},
		ValidArgsFunction: a.completeJobs,
	}
	f := c.Flags()
	f.StringVar(&o.since, "since", "", "begin at `REV|DURATION|RFC3339|start`")
	f.StringSliceVar(&o.states, "state", nil, "only transitions into `STATE,…`")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what happens")
	f.IntVar(&o.count, "count", 0, "end after `N` events")
	return c
}

// check reads flags and arguments into the options of the monitor.
func (o *eventsOptions) check(args []string, now time.Time) (err error) {
	if err := notNegative("count", o.count); err != nil {
		return err
	}
	if o.events.IDs, err = jobIDs(args); err != nil {
		return err
	}
	if o.events.States, err = states(o.states); err != nil {
		return err
	}
	if o.since == "" {
		o.events.Now = o.follow && len(args) == 0
		return nil
	}
	return o.begin(now)
}

// begin reads --since.
func (o *eventsOptions) begin(now time.Time) error {
	if o.since == sinceStart {
		return nil
	}
	if revision, err := strconv.ParseUint(o.since, 10, 64); err == nil {
		o.events.From = revision
		return nil
	}
	if ago, err := time.ParseDuration(o.since); err == nil && ago >= 0 {
		o.events.Since = now.Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, o.since)
	if err != nil {
		return usagef("--since %s: it is a revision, a duration such as 10m, a time such as 2026-01-02T15:04:05Z, or start", o.since)
	}
	o.events.Since = at
	return nil
}

// Values of --since.
const (
	sinceStart = "start"
	sinceNow   = "now"
)

func (a *app) events(ctx context.Context, c *lwj.Client, o *eventsOptions) error {
	if !o.follow {
		for _, id := range o.events.IDs {
			if _, err := c.Show(ctx, id); err != nil {
				return err
			}
		}
	}
	m, err := c.Events(ctx, o.events)
	if err != nil {
		return err
	}
	rows := a.stream()
	err = endRows(rows, a.showEvents(ctx, m, rows, o))
	if n := m.Skipped(); n > 0 {
		a.say("lwj: %d records could not be read and were left out", n)
	}
	return errors.Join(err, m.Close())
}

func (a *app) showEvents(ctx context.Context, m *lwj.Monitor, rows *rows, o *eventsOptions) error {
	for n := 0; o.count == 0 || n < o.count; {
		ev, err := m.Next(ctx)
		if err != nil {
			return err
		}
		if !ev.CaughtUp {
			n++
		} else if rows.format == outputTable {
			if !o.follow {
				return nil
			}
			continue
		}
		if err := rows.add(newEventJSON(ev), eventCells(ev)...); err != nil {
			return err
		}
		if ev.CaughtUp && !o.follow {
			return nil
		}
	}
	return nil
}

// eventCells is an event as a line for people.
func eventCells(ev *lwj.Event) []string {
	cells := []string{clockTime(ev.Time), utoa(ev.Job)}
	switch ev.Kind {
	case lwj.KindState:
		from := string(ev.From)
		if from == "" {
			from = "null"
		}
		cells = append(cells, from+"→"+string(ev.To))
	case lwj.KindSync:
		cells = append(cells, "hold "+ev.Hold+" before "+string(ev.State)+" "+ev.Phase)
	case lwj.KindAction:
		cells = append(cells, ev.Action+" at "+string(ev.State)+" "+ev.Phase)
	default:
		cells = append(cells, ev.Name, labelText(ev.Data))
	}
	if ev.Detail != nil {
		cells = append(cells, strings.Join(detailText(ev.Detail), ", "))
	}
	return cells
}
