package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// lsOptions are the flags of kv ls.
type lsOptions struct {
	rangeFlags
	at     uint64
	values bool
	limit  int
	count  bool
}

func (k *kv) lsCommand() *cobra.Command {
	o := &lsOptions{}
	c := &cobra.Command{
		Use:     "ls",
		Short:   "List keys, all as they were at one revision",
		Example: "  lwj kv put fruit/apple red\n  lwj kv put fruit/plum blue\n  lwj kv ls --prefix fruit/ --values\n  lwj kv ls --count --at 1",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			span, err := o.span(cmd)
			if err != nil {
				return err
			}
			at := changed(cmd.Flags().Changed("at"), o.at)
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.ls(cmd.Context(), b, span, at, o) })
		},
	}
	o.register(k, c)
	c.Flags().Uint64Var(&o.at, "at", 0, "as they were at revision `REV`")
	c.Flags().BoolVar(&o.values, "values", false, "print values too")
	c.Flags().IntVar(&o.limit, "limit", 0, "at most `N` keys, the first in order; 0: all")
	c.Flags().BoolVar(&o.count, "count", false, "print only how many keys there are, with --limit at most N")
	return c
}

func (o *lsOptions) check() error {
	if o.values && o.count {
		return usagef("--values and --count exclude each other")
	}
	return notNegative("limit", o.limit)
}

func (k *kv) ls(ctx context.Context, b *kvbucket.Bucket, span kvbucket.Range, at *uint64, o *lsOptions) error {
	if o.count {
		return k.countKeys(ctx, b, span, at, o.limit)
	}
	opts := []kvbucket.ListOption{kvbucket.Limit(o.limit)}
	if at != nil {
		opts = append(opts, kvbucket.At(*at))
	}
	if !o.values {
		opts = append(opts, kvbucket.MetaOnly())
	}
	entries, err := b.List(ctx, span, opts...)
	if err != nil {
		return err
	}
	return k.printEntries(entries, o.values)
}

func (k *kv) countKeys(ctx context.Context, b *kvbucket.Bucket, span kvbucket.Range, at *uint64, limit int) error {
	var opts []kvbucket.ReadOption
	if at != nil {
		opts = append(opts, kvbucket.At(*at))
	}
	n, err := b.Count(ctx, span, opts...)
	if err != nil {
		return err
	}
	if limit > 0 {
		n = min(n, limit)
	}
	return k.printCount(uint64(n))
}
