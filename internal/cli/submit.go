package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

// submitOptions are the flags of submit.
type submitOptions struct {
	specFlags
	count int
	jsonl string
}

func (a *app) submitCommand() *cobra.Command {
	o := &submitOptions{}
	c := &cobra.Command{
		Use:   "submit [flags] -- CMD [ARG]… | --jsonl FILE|-",
		Short: "Queue jobs for workers",
		Long: "Queue jobs for workers and print their numbers, one a line. The environment of a queued job is its\n" +
			"worker's own and what --env adds, which whoever may read the job can read.\n" +
			"With --jsonl each line is a job (lwj schema job.spec.v1); what it leaves out the flags say. Jobs are\n" +
			"stored 1,000 at a time, all or none of them.",
		Example: "  lwj submit --name build --priority 200 --retries 2 -- make\n" +
			"  echo '{\"command\":[\"make\",\"test\"],\"labels\":{\"team\":\"ops\"}}' | lwj submit --jsonl -\n  lwj jobs",
		RunE: func(cmd *cobra.Command, args []string) error { return a.submit(cmd.Context(), o, args) },
	}
	o.register(c.Flags())
	o.registerQueued(c.Flags())
	c.Flags().IntVar(&o.count, "count", 1, "submit `N` such jobs")
	c.Flags().StringVar(&o.jsonl, "jsonl", "", "read one job a line from `FILE`, - for stdin")
	return c
}

func (a *app) submit(ctx context.Context, o *submitOptions, args []string) error {
	spec, err := o.spec(args)
	switch {
	case err != nil:
		return err
	case o.count < 1:
		return usagef("--count %d: it is 1 or more", o.count)
	case o.jsonl != "" && (len(args) > 0 || o.count != 1):
		return usagef("--jsonl excludes a command and --count")
	case o.jsonl != "":
		return a.submitLines(ctx, spec, o.jsonl)
	}
	if err := spec.Validate(); err != nil {
		return err
	}
	return a.with(ctx, func(l *link) error { return a.submitCopies(ctx, lwj.NewClient(l.Conn), spec, o.count) })
}

func (a *app) submitCopies(ctx context.Context, c *lwj.Client, spec lwj.Spec, count int) error {
	return a.printSubmitted(func(add func([]lwj.Spec) error) error {
		for left := count; left > 0; left -= lwj.MaxSubmit {
			if err := add(slices.Repeat([]lwj.Spec{spec}, min(left, lwj.MaxSubmit))); err != nil {
				return err
			}
		}
		return nil
	}, ctx, c)
}

// printSubmitted submits the lists of jobs that each calls add with, and
// prints their numbers as soon as they are stored.
func (a *app) printSubmitted(each func(add func([]lwj.Spec) error) error, ctx context.Context, c *lwj.Client) error {
	rows := a.stream()
	err := each(func(specs []lwj.Spec) error {
		answer, err := c.SubmitAll(ctx, specs)
		if err != nil {
			return err
		}
		for _, id := range answer.IDs {
			if err := rows.add(newSubmitted(id, slices.Contains(answer.Known, id)), utoa(id)); err != nil {
				return err
			}
		}
		return nil
	})
	return endRows(rows, err)
}

// submittedJSON is schema job.submitted.v1.
type submittedJSON struct {
	Schema string `json:"schema"`
	Job    uint64 `json:"job"`
	Known  bool   `json:"known"` // it was there before, by its dedup key
}

func newSubmitted(id uint64, known bool) submittedJSON {
	return submittedJSON{"job.submitted.v1", id, known}
}
