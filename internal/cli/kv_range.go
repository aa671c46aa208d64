package cli

import (
	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// rangeFlags say which keys are meant.
type rangeFlags struct{ prefix, from, to string }

func (r *rangeFlags) register(k *kv, c *cobra.Command) {
	c.Flags().StringVar(&r.prefix, "prefix", "", "keys that begin with `P`")
	c.Flags().StringVar(&r.from, "from", "", "keys from `A` on")
	c.Flags().StringVar(&r.to, "to", "", "keys below `B`")
	for _, name := range []string{"prefix", "from", "to"} {
		_ = c.RegisterFlagCompletionFunc(name, k.completeKeys) // the flags exist
	}
}

// given tells whether any of the flags was.
func (r *rangeFlags) given(cmd *cobra.Command) bool {
	f := cmd.Flags()
	return f.Changed("prefix") || f.Changed("from") || f.Changed("to")
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

// spanOr is the range of a command that is about one key or a range; it must
// be told which.
func (r *rangeFlags) spanOr(cmd *cobra.Command, args []string) (kvbucket.Range, error) {
	switch ranged := r.given(cmd); {
	case ranged && len(args) > 0:
		return kvbucket.Range{}, usagef("a key excludes --prefix, --from and --to")
	case !ranged && len(args) == 0:
		return kvbucket.Range{}, usagef("%s needs a key, or --prefix, --from or --to; --prefix '' is every key", cmd.CommandPath())
	}
	return r.span(cmd)
}
