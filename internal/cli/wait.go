package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

// waitOptions are the flags of wait.
type waitOptions struct {
	group   string
	target  string
	any     bool
	timeout time.Duration
}

func (a *app) waitCommand() *cobra.Command {
	o := &waitOptions{}
	c := &cobra.Command{
		Use:   "wait N… | --group S",
		Short: "Wait until jobs have ended, or have been in a state",
		Long: "Wait until all the jobs, or with --any one of them, have ended, and end with the highest of their exit\n" +
			"codes: 124 for a time limit, 125 for cancelled, 1 for failed without a code. With --for end with 0 as\n" +
			"soon as they have been in that state, and with 1 when that can no longer come (\"never\").",
		Example:           "  lwj run --detach -- sleep 0.1\n  lwj wait 1 --for running\n  lwj wait 1 --timeout 1m",
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := o.check(args)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error { return a.wait(cmd.Context(), lwj.NewClient(l.Conn), o, ids) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.group, "group", "", "wait for the jobs that the group has now")
	f.StringVar(&o.target, "for", "", "wait until they have been in `STATE`")
	f.BoolVar(&o.any, "any", false, "one of them is enough; print which")
	f.DurationVar(&o.timeout, "timeout", 0, "end with 124 after `D`; 0: wait for ever")
	return c
}

func (o *waitOptions) check(args []string) ([]uint64, error) {
	switch {
	case (len(args) == 0) == (o.group == ""):
		return nil, usagef("wait needs the numbers of jobs, or --group")
	case o.any && len(args) > lwj.MaxAwait:
		return nil, usagef("--any: at most %d jobs can be waited for", lwj.MaxAwait)
	}
	if o.target != "" {
		if _, err := lwj.ParseState(o.target); err != nil {
			return nil, err
		}
	}
	if err := notNegative("timeout", o.timeout); err != nil {
		return nil, err
	}
	return jobIDs(args)
}

func (a *app) wait(ctx context.Context, c *lwj.Client, o *waitOptions, ids []uint64) (err error) {
	ctx, cancel := deadline(ctx, o.timeout)
	defer cancel()
	if o.group != "" {
		if ids, err = groupOf(ctx, c, o.group); err != nil {
			return err
		}
	}
	waited, err := o.wait(ctx, c, ids)
	if err != nil && !errors.Is(err, lwj.ErrNever) {
		return overdue(ctx, err)
	}
	if e := a.printWaited(waited, o.any); e != nil {
		return e
	}
	if err != nil || o.target != "" {
		return err
	}
	return jobsCode(waited, o.any)
}

func (o *waitOptions) wait(ctx context.Context, c *lwj.Client, ids []uint64) ([]lwj.Waited, error) {
	target := lwj.AnyFinal
	if o.target != "" {
		target = lwj.State(o.target)
	}
	if o.any {
		return c.WaitAny(ctx, target, ids...)
	}
	return c.Wait(ctx, target, ids...)
}

// groupOf are the jobs of a group.
func groupOf(ctx context.Context, c *lwj.Client, group string) ([]uint64, error) {
	jobs, _, err := c.List(ctx, lwj.ListOptions{Group: &group})
	if err == nil && len(jobs) == 0 {
		err = bus.NewError(bus.CodeNotFound, "the group %q has no jobs", group).WithHint("lwj jobs -a --group shows those of a group")
	}
	return numbers(jobs), err
}

// printWaited prints how the jobs stand: in a table only with any, and then
// those that were waited for.
func (a *app) printWaited(waited []lwj.Waited, any bool) error {
	rows := a.stream()
	for i := range waited {
		w := &waited[i]
		if rows.format == outputTable && (!any || !w.Reached) {
			continue
		}
		if err := rows.add(newWaitedJSON(w), utoa(w.ID), string(w.State.State)); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

// jobsCode is the highest exit code of jobs that have ended, as an error.
func jobsCode(waited []lwj.Waited, any bool) error {
	code := 0
	for i := range waited {
		if !any || waited[i].Reached {
			code = max(code, jobCode(&waited[i].State))
		}
	}
	if code == 0 {
		return nil
	}
	return errQuiet(code)
}

// jobCode is the exit code that a job in a final state stands for.
func jobCode(r *lwj.StateRecord) int {
	d := r.Detail
	switch {
	case r.State == lwj.Complete:
		return exitOK
	case r.State == lwj.Cancelled:
		return exitCancelled
	case d != nil && d.Reason == lwj.ReasonTimeout:
		return exitTimeout
	case d != nil && d.ExitCode != nil && *d.ExitCode != 0:
		return *d.ExitCode
	}
	return exitFailed
}

// waitedJSON is schema job.wait.v1.
type waitedJSON struct {
	Schema   string    `json:"schema"`
	Job      uint64    `json:"job"`
	State    lwj.State `json:"state"`
	Revision uint64    `json:"revision"`
	Reached  bool      `json:"reached"`
	Never    bool      `json:"never"`
	ExitCode *int      `json:"exit_code"`
	Reason   string    `json:"reason"`
}

func newWaitedJSON(w *lwj.Waited) waitedJSON {
	j := waitedJSON{Schema: "job.wait.v1", Job: w.ID, State: w.State.State, Revision: w.Revision, Reached: w.Reached, Never: w.Never}
	if d := w.State.Detail; d != nil {
		j.ExitCode, j.Reason = d.ExitCode, d.Reason
	}
	return j
}
