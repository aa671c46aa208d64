package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// rangeFlags say which keys are meant.
type rangeFlags struct{ prefix, from, to string }

func (r *rangeFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&r.prefix, "prefix", "", "keys that begin with `P`")
	c.Flags().StringVar(&r.from, "from", "", "keys from `A` on")
	c.Flags().StringVar(&r.to, "to", "", "keys below `B`")
}

func (r *rangeFlags) span(cmd *cobra.Command) (kvbucket.Range, error) {
	f := cmd.Flags()
	switch {
	case f.Changed("prefix") && (f.Changed("from") || f.Changed("to")):
		return kvbucket.Range{}, usagef("--prefix excludes --from and --to")
	case f.Changed("prefix"):
		return kvbucket.Prefix(r.prefix), nil
	}
	return kvbucket.Range{From: r.from, To: changed(f.Changed("to"), r.to)}, nil
}

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
			if err := notNegative("limit", o.limit); err != nil {
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
	o.register(c)
	c.Flags().Uint64Var(&o.at, "at", 0, "as they were at revision `REV`")
	c.Flags().BoolVar(&o.values, "values", false, "print values too")
	c.Flags().IntVar(&o.limit, "limit", 0, "at most `N` keys; 0: all")
	c.Flags().BoolVar(&o.count, "count", false, "print only how many keys there are")
	return c
}

func (k *kv) ls(ctx context.Context, b *kvbucket.Bucket, span kvbucket.Range, at *uint64, o *lsOptions) error {
	var opts []kvbucket.GetOption
	if at != nil {
		opts = append(opts, kvbucket.At(*at))
	}
	entries, err := b.List(ctx, span, opts...)
	if err != nil {
		return err
	}
	if o.limit > 0 && len(entries) > o.limit {
		entries = entries[:o.limit]
	}
	if o.count {
		return k.printCount(uint64(len(entries)))
	}
	rows := k.rows()
	for _, e := range entries {
		cells := []string{e.Key}
		if o.values {
			cells = append(cells, string(e.Value))
		}
		if err := rows.add(newEntryJSON(e, o.values), cells...); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}
