package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "history KEY",
		Short:             "Show the kept changes of a key, oldest first",
		Example:           "  lwj kv put greeting hello\n  lwj kv del greeting\n  lwj kv history greeting",
		Args:              exactly(1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.history(cmd.Context(), b, args[0]) })
		},
	}
}

func (k *kv) history(ctx context.Context, b *kvbucket.Bucket, key string) error {
	entries, err := b.History(ctx, key)
	if err != nil {
		return err
	}
	rows := k.rows("REVISION", "VERSION", "TIME", "OP", "VALUE")
	for _, e := range entries {
		if err := rows.add(newEntryJSON(e, true), utoa(e.Revision), utoa(e.Version), clockTime(e.Time), e.Op.String(), valueOrReason(e)); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

// valueOrReason is what a table shows of a change.
func valueOrReason(e *kvbucket.Entry) string {
	if e.Reason != "" {
		return e.Reason
	}
	return string(e.Value)
}
