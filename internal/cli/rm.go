package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

func (a *app) rmCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rm N…",
		Short:             "Forget jobs that have ended",
		Long:              "Forget jobs in a final state, with all that is known of them. Their numbers are not used again.",
		Example:           "  lwj run -- true\n  lwj rm 1\n  lwj jobs -a",
		Args:              atLeast(1, "the numbers of jobs"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error {
				c := lwj.NewClient(l.Conn)
				return a.eachJob(ids, func(ids []uint64) ([]lwj.ItemResult, error) { return forget(cmd.Context(), c, ids) })
			})
		},
	}
}

// forget asks until no job is left over for want of room in one request.
func forget(ctx context.Context, c *lwj.Client, ids []uint64) ([]lwj.ItemResult, error) {
	out := make([]lwj.ItemResult, len(ids))
	left := make([]int, len(ids)) // places in ids
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var ask []uint64
		for _, i := range left {
			ask = append(ask, ids[i])
		}
		results, err := c.Forget(ctx, ask...)
		if err != nil {
			return nil, err
		}
		var again []int
		for n, i := range left {
			out[i] = results[n]
			if errors.Is(results[n].Err(), bus.ErrOverloaded) {
				again = append(again, i)
			}
		}
		if len(again) == len(left) {
			return out, nil // no room even for one: the host says why
		}
		left = again
	}
	return out, nil
}
