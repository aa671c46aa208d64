package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) delCommand() *cobra.Command {
	r := &rangeFlags{}
	c := &cobra.Command{
		Use:   "del KEY | --prefix P | --from A --to B",
		Short: "Delete keys and print how many they were",
		Long: "Delete a key, those that begin with a prefix, or those from A to below B, all in one transaction, and\n" +
			"print how many they were. A range may leave out one end.",
		Example:           "  lwj kv put fruit/apple red\n  lwj kv put fruit/plum blue\n  lwj kv del fruit/plum\n  lwj kv del --prefix fruit/\n  lwj kv del --from a --to b",
		Args:              between(0, 1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			span, err := r.spanOr(cmd, args)
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.del(cmd.Context(), b, args, span) })
		},
	}
	r.register(k, c)
	return c
}

func (k *kv) del(ctx context.Context, b *kvbucket.Bucket, keys []string, span kvbucket.Range) error {
	if len(keys) == 0 {
		n, err := b.DeleteRange(ctx, span)
		if err != nil {
			return err
		}
		return k.printCount(uint64(n))
	}
	was, err := b.Delete(ctx, keys[0])
	switch {
	case err != nil:
		return err
	case was:
		return k.printCount(1)
	}
	return k.printCount(0)
}
