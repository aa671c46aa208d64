package cli

import (
	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) delCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "del KEY",
		Short:             "Delete a key and print the number deleted",
		Example:           "  lwj kv put greeting hello\n  lwj kv del greeting\n  lwj kv del greeting",
		Args:              exactly(1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error {
				was, err := b.Delete(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if was {
					return k.printCount(1)
				}
				return k.printCount(0)
			})
		},
	}
}
