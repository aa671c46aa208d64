package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

func (a *app) cancelCommand() *cobra.Command {
	var group string
	var grace time.Duration
	c := &cobra.Command{
		Use:   "cancel N… | --group S",
		Short: "End jobs",
		Long: "End jobs: SIGTERM to their process groups, SIGKILL when the grace has passed. A job that waits in the\n" +
			"queue is cancelled at once. Each job is reported; the exit code is that of the worst.",
		Example:           "  lwj submit -- make\n  lwj cancel 1\n  lwj submit --group nightly -- make\n  lwj cancel --group nightly --grace 10s",
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			switch {
			case err != nil:
				return err
			case (len(args) == 0) == (group == ""):
				return usagef("cancel needs the numbers of jobs, or --group")
			case grace < 0 || grace > lwj.MaxGrace:
				return usagef("--grace %v: it is 0 to %v", grace, lwj.MaxGrace)
			}
			return a.with(cmd.Context(), func(l *link) error {
				return a.cancel(cmd.Context(), lwj.NewClient(l.Conn), group, grace, ids)
			})
		},
	}
	c.Flags().StringVar(&group, "group", "", "end the jobs of the group that have not ended")
	c.Flags().DurationVar(&grace, "grace", lwj.DefaultGrace, "`D` from SIGTERM to SIGKILL")
	return c
}

// activeOf are the jobs of a group that have not ended. That there are none
// left is said, to people; a group without any job is not found.
func (a *app) activeOf(ctx context.Context, c *lwj.Client, group string) ([]uint64, error) {
	jobs, _, err := c.List(ctx, lwj.ListOptions{Group: &group, Active: true})
	if err != nil {
		return nil, err
	}
	if len(jobs) > 0 {
		return numbers(jobs), nil
	}
	if _, err := groupOf(ctx, c, group); err != nil {
		return nil, err
	}
	if a.output == outputTable {
		a.say("lwj: every job of the group %q has ended: nothing is to be cancelled", group)
	}
	return nil, nil
}

func numbers(jobs []lwj.Info) []uint64 {
	ids := make([]uint64, len(jobs))
	for i := range jobs {
		ids[i] = jobs[i].ID
	}
	return ids
}

func (a *app) cancel(ctx context.Context, c *lwj.Client, group string, grace time.Duration, ids []uint64) error {
	if group != "" {
		var err error
		if ids, err = a.activeOf(ctx, c, group); err != nil {
			return err
		}
	}
	return a.eachJob(ids, func(part []uint64) ([]lwj.ItemResult, error) { return c.Cancel(ctx, grace, part...) })
}
