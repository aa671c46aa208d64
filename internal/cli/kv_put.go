package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// putOptions are the flags of kv put.
type putOptions struct {
	ownerFlags
	create   bool
	revision uint64

	value     []byte // nil: only the owner changes
	owner     []kvbucket.OwnerOption
	condition []kvbucket.PutOption
}

func (k *kv) putCommand() *cobra.Command {
	o := &putOptions{}
	c := &cobra.Command{
		Use:   "put KEY [VALUE|-]",
		Short: "Set a key and print the revision",
		Long: "Set a key and print the revision. The value is standard input, byte for byte, when it is -, or absent\n" +
			"without --owner and --no-owner; absent with one of them, the value stays and only the owner changes.\n" +
			"A key keeps its owner, or its time to live, unless one of these flags or --ttl is given. With --create or --if-revision nothing\n" +
			"changes, and the exit code is 4, unless the condition holds.",
		Example: "  lwj kv put greeting hello\n  date | lwj kv put today -\n  lwj kv put greeting hi --if-revision 1\n" +
			"  lwj kv put greeting again --create || echo it exists\n  lwj kv put greeting bye --ttl 1h\n  lwj kv put greeting --no-owner",
		Args:              between(1, 2, "a key and a value"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.read(k, cmd, args[1:]); err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.put(cmd.Context(), b, args[0], o) })
		},
	}
	o.register(k, c)
	c.Flags().BoolVar(&o.create, "create", false, "only if the key does not exist")
	c.Flags().Uint64Var(&o.revision, "if-revision", 0, "only if the key is at revision `R`; 0: if it does not exist")
	return c
}

// changed is the value of a flag that was given, or nil.
func changed[T any](given bool, value T) *T {
	if given {
		return &value
	}
	return nil
}

// read checks the flags and reads the value.
func (o *putOptions) read(k *kv, cmd *cobra.Command, value []string) (err error) {
	conditional := cmd.Flags().Changed("if-revision")
	if o.create && conditional {
		return usagef("--create and --if-revision exclude each other")
	}
	if o.owner, err = o.option(k, cmd); err != nil {
		return err
	}
	if conditional {
		o.condition = []kvbucket.PutOption{kvbucket.IfRevision(o.revision)}
	}
	switch {
	case len(value) > 0 || len(o.owner) == 0 || cmd.Flags().Changed("ttl"):
		o.value, err = k.value(cmd.Context(), value)
	case o.create:
		return usagef("--create needs a value: a new key has one")
	}
	return err
}

// value is the argument, or standard input; never nil without an error.
func (k *kv) value(ctx context.Context, args []string) ([]byte, error) {
	if len(args) > 0 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	value, err := io.ReadAll(io.LimitReader(k.input(ctx), kvbucket.MaxValue+1))
	if err == nil && len(value) > kvbucket.MaxValue {
		err = bus.NewError(bus.CodeTooLarge, "standard input has more than %d bytes: a value has at most so many", kvbucket.MaxValue).
			WithHint("store the data elsewhere and its name here")
	}
	return value, err
}

func (k *kv) put(ctx context.Context, b *kvbucket.Bucket, key string, o *putOptions) (err error) {
	var revision uint64
	switch {
	case o.value == nil:
		revision, err = b.SetOwner(ctx, key, o.owner[0], o.condition...)
	case o.create:
		revision, err = b.Create(ctx, key, o.value, o.owner...)
	default:
		revision, err = b.Put(ctx, key, o.value, append(o.condition, putOwner(o.owner)...)...)
	}
	if err != nil {
		return err
	}
	return k.printRevision(revision)
}

// putOwner is the options of an owner as those of a Put.
func putOwner(owner []kvbucket.OwnerOption) (opts []kvbucket.PutOption) {
	for _, o := range owner {
		opts = append(opts, o)
	}
	return opts
}
