package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) swapCommand() *cobra.Command {
	o := &ownerFlags{}
	c := &cobra.Command{
		Use:   "swap KEY [VALUE|-]",
		Short: "Set a key and print the value it had",
		Long: "Set a key and print the value it had, byte for byte, with a newline behind it only on a terminal;\n" +
			"nothing where the key was absent, in JSON an entry at revision 0. The new value is standard input,\n" +
			"byte for byte, when it is - or absent.",
		Example:           "  lwj kv put color green\n  lwj kv swap color blue\n  lwj kv swap color red --ttl 1h",
		Args:              between(1, 2, "a key and a value"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			owner, err := o.option(k, cmd)
			if err != nil {
				return err
			}
			value, err := k.value(cmd.Context(), args[1:])
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.swap(cmd.Context(), b, args[0], value, owner) })
		},
	}
	o.register(k, c)
	return c
}

func (k *kv) swap(ctx context.Context, b *kvbucket.Bucket, key string, value []byte, owner []kvbucket.OwnerOption) error {
	was, err := b.Swap(ctx, key, value, owner...)
	switch {
	case err != nil:
		return err
	case was == nil:
		return k.print(newEntryJSON(&kvbucket.Entry{Key: key, Op: bus.OpDelete}, false), "")
	}
	return k.printEntry(was)
}

// printEntry prints the value, byte for byte, but for a newline on a terminal.
func (k *kv) printEntry(e *kvbucket.Entry) error {
	text := string(e.Value)
	if k.tty {
		text += "\n"
	}
	return k.print(newEntryJSON(e, true), text)
}
