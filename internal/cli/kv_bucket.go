package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) bucketCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bucket",
		Short: "Create, list, show and remove buckets",
		Long: "Create, list, show and remove buckets. A bucket need not be created: the first put makes one that is not\n" +
			"there. The bucket is the argument, or that of -b.",
		Example: "  lwj kv bucket create settings --history 10\n  lwj kv -b settings put color green\n  lwj kv bucket ls\n  lwj kv bucket rm settings",
	}
	onlyCommands(c)
	c.AddCommand(k.bucketCreateCommand(), k.bucketLsCommand(), k.bucketInfoCommand(), k.bucketRmCommand())
	return c
}

// name is the bucket that was named: by the argument, or by -b.
func (k *kv) name(cmd *cobra.Command, args []string) (string, error) {
	flag := cmd.Flags().Changed("bucket")
	switch {
	case len(args) == 0 && !flag:
		return "", usagef("%s needs the name of a bucket", cmd.CommandPath())
	case len(args) == 0:
		return k.bucket, nil
	case flag && args[0] != k.bucket:
		return "", usagef("two buckets are named, %q and %q", args[0], k.bucket)
	}
	return args[0], nil
}

func (k *kv) bucketCreateCommand() *cobra.Command {
	var cfg kvbucket.BucketConfig
	c := &cobra.Command{
		Use:               "create NAME",
		Short:             "Create a bucket that keeps so much history",
		Long:              "Create a bucket. One that is there already, by a put too, is exit code 4.",
		Example:           "  lwj kv bucket create settings --history 2",
		Args:              between(0, 1, "the name of a bucket"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := k.name(cmd, args)
			if err != nil {
				return err
			}
			if cfg.History < 1 || cfg.History > kvbucket.MaxHistory {
				return usagef("--history %d: it is 1 to %d", cfg.History, kvbucket.MaxHistory)
			}
			return k.with(cmd.Context(), func(l *link) error { return kvbucket.CreateBucket(cmd.Context(), l.Conn, name, cfg) })
		},
	}
	c.Flags().IntVar(&cfg.History, "history", kvbucket.DefaultHistory, "keep the last `N` changes of each key")
	return c
}

func (k *kv) bucketLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the buckets there are",
		Example: "  lwj kv put greeting hello\n  lwj kv bucket ls\n  lwj kv bucket ls -o jsonl",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.with(cmd.Context(), func(l *link) error { return k.listBuckets(cmd.Context(), l) })
		},
	}
}

func (k *kv) listBuckets(ctx context.Context, l *link) error {
	buckets, err := kvbucket.Buckets(ctx, l.Conn)
	if err != nil {
		return err
	}
	rows := k.rows("NAME", "KEYS", "BYTES", "HISTORY")
	for i := range buckets {
		b := &buckets[i]
		if err := rows.add(newBucketJSON(b), b.Name, utoa(uint64(b.Keys)), utoa(uint64(b.Bytes)), utoa(uint64(b.History))); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

func (k *kv) bucketInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "info NAME",
		Short:             "Show all that is known of a bucket",
		Long:              "Show all that is known of a bucket. One that is not there is exit code 3.",
		Example:           "  lwj kv put greeting hello\n  lwj kv bucket info kv\n  lwj kv bucket info kv -o json",
		Args:              between(0, 1, "the name of a bucket"),
		ValidArgsFunction: k.completeBucket,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if k.bucket, err = k.name(cmd, args); err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.bucketInfo(cmd.Context(), b) })
		},
	}
}

func (k *kv) bucketInfo(ctx context.Context, b *kvbucket.Bucket) error {
	i, err := b.Info(ctx)
	if err != nil {
		return err
	}
	return k.print(newBucketJSON(&i), bucketText(&i))
}

func (k *kv) bucketRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a bucket with all its keys and their history",
		Long: "Remove a bucket with all its keys and their history. The keys are deleted first, in several transactions\n" +
			"where they are many. A bucket that is not there is exit code 3.",
		Example:           "  lwj kv -b scratch put a 1\n  lwj kv bucket rm scratch",
		Args:              between(0, 1, "the name of a bucket"),
		ValidArgsFunction: k.completeBucket,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := k.name(cmd, args)
			if err != nil {
				return err
			}
			return k.with(cmd.Context(), func(l *link) error { return kvbucket.RemoveBucket(cmd.Context(), l.Conn, name) })
		},
	}
}
