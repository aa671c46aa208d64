package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// defaultBucket is the bucket of kv commands.
const defaultBucket = "kv"

// kv is what the commands of kv share.
type kv struct {
	*app
	bucket string
}

func (a *app) kvCommand() *cobra.Command {
	k := &kv{app: a}
	c := &cobra.Command{
		Use:     "kv",
		Short:   "Read, write and watch keys",
		Example: "  lwj kv put greeting hello\n  lwj kv get greeting",
	}
	onlyCommands(c)
	c.PersistentFlags().StringVarP(&k.bucket, "bucket", "b", defaultBucket, "bucket `NAME`")
	_ = c.RegisterFlagCompletionFunc("bucket", k.completeBuckets) // the flag exists
	c.AddCommand(
		k.putCommand(), k.swapCommand(), k.getCommand(), k.popCommand(), k.delCommand(), k.lsCommand(), k.historyCommand(),
		k.watchCommand(), k.txnCommand(), k.revisionCommand(), k.ownerCommand(), k.bucketCommand(),
	)
	return c
}

// open joins the bus for as long as do works on the bucket.
func (k *kv) open(ctx context.Context, do func(*kvbucket.Bucket) error) error {
	return k.with(ctx, func(l *link) error {
		b, err := kvbucket.Open(l.Conn, k.bucket)
		if err != nil {
			return err
		}
		return do(b)
	})
}
