package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) revisionCommand() *cobra.Command {
	var wait uint64
	c := &cobra.Command{
		Use:     "revision",
		Short:   "Print the revision of the namespace",
		Long:    "Print the revision of the namespace: the number of its newest transaction, of any bucket. With --wait\nit returns when the revision is at least so high.",
		Example: "  lwj kv put greeting hello\n  lwj kv revision --wait 1",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.with(cmd.Context(), func(l *link) error { return k.revision(cmd.Context(), l, wait) })
		},
	}
	c.Flags().Uint64Var(&wait, "wait", 0, "wait until it is at least `REV`")
	return c
}

func (k *kv) revision(ctx context.Context, l *link, wait uint64) error {
	if wait > 0 {
		if err := kvbucket.WaitRevision(ctx, l.Conn, wait); err != nil {
			return err
		}
	}
	revision, err := kvbucket.Revision(ctx, l.Conn)
	if err != nil {
		return err
	}
	return k.printRevision(revision)
}
