package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) putCommand() *cobra.Command {
	var create bool
	var revision uint64
	c := &cobra.Command{
		Use:   "put KEY [VALUE|-]",
		Short: "Set a key and print the revision",
		Long: "Set a key and print the revision. The value is standard input, byte for byte, when it is - or absent.\n" +
			"With --create or --if-revision nothing changes, and the exit code is 4, unless the condition holds.",
		Example: "  lwj kv put greeting hello\n  date | lwj kv put today -\n  lwj kv put greeting hi --if-revision 1\n" +
			"  lwj kv put greeting again --create || echo it exists",
		Args:              between(1, 2, "a key and a value"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			conditional := cmd.Flags().Changed("if-revision")
			if create && conditional {
				return usagef("--create and --if-revision exclude each other")
			}
			value, err := k.value(args[1:])
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error {
				return k.put(cmd.Context(), b, args[0], value, create, changed(conditional, revision))
			})
		},
	}
	c.Flags().BoolVar(&create, "create", false, "only if the key does not exist")
	c.Flags().Uint64Var(&revision, "if-revision", 0, "only if the key is at revision `R`; 0: if it does not exist")
	return c
}

// changed is the value of a flag that was given, or nil.
func changed[T any](given bool, value T) *T {
	if given {
		return &value
	}
	return nil
}

// value is the argument, or standard input.
func (k *kv) value(args []string) ([]byte, error) {
	if len(args) > 0 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	value, err := io.ReadAll(io.LimitReader(k.In, kvbucket.MaxValue+1))
	if err == nil && len(value) > kvbucket.MaxValue {
		err = bus.NewError(bus.CodeTooLarge, "standard input has more than %d bytes: a value has at most so many", kvbucket.MaxValue).
			WithHint("store the data elsewhere and its name here")
	}
	return value, err
}

func (k *kv) put(ctx context.Context, b *kvbucket.Bucket, key string, value []byte, create bool, at *uint64) (err error) {
	var revision uint64
	switch {
	case create:
		revision, err = b.Create(ctx, key, value)
	case at != nil:
		revision, err = b.Put(ctx, key, value, kvbucket.IfRevision(*at))
	default:
		revision, err = b.Put(ctx, key, value)
	}
	if err != nil {
		return err
	}
	return k.printRevision(revision)
}
