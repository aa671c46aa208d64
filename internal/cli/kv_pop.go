package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) popCommand() *cobra.Command {
	r := &rangeFlags{}
	c := &cobra.Command{
		Use:   "pop KEY | --prefix P | --from A --to B",
		Short: "Delete keys and print their values",
		Long: "Delete a key and print the value it had, byte for byte, with a newline behind it only on a terminal; a\n" +
			"key that is absent is exit code 3. Or delete those that begin with a prefix, or from A to below B, all in\n" +
			"one transaction, and print keys and values.",
		Example:           "  lwj kv put todo/1 wash\n  lwj kv put todo/2 dry\n  lwj kv pop todo/1\n  lwj kv pop --prefix todo/\n  lwj kv pop --from todo/ --to todp",
		Args:              between(0, 1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			span, err := r.spanOr(cmd, args)
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.pop(cmd.Context(), b, args, span) })
		},
	}
	r.register(k, c)
	return c
}

func (k *kv) pop(ctx context.Context, b *kvbucket.Bucket, keys []string, span kvbucket.Range) error {
	if len(keys) == 0 {
		entries, err := b.PopRange(ctx, span)
		if err != nil {
			return err
		}
		return k.printEntries(entries, true)
	}
	e, err := b.Pop(ctx, keys[0])
	if err != nil {
		return err
	}
	return k.printEntry(e)
}

// printEntries prints keys, a line each, with their values if they are wanted.
func (k *kv) printEntries(entries []*kvbucket.Entry, values bool) error {
	rows := k.rows()
	for _, e := range entries {
		cells := []string{e.Key}
		if values {
			cells = append(cells, string(e.Value))
		}
		if err := rows.add(newEntryJSON(e, values), cells...); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}
