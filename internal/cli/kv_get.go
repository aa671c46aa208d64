package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// getOptions are the flags of kv get.
type getOptions struct {
	at           uint64
	fallback     string
	wait         bool
	timeout      time.Duration
	serializable bool

	atGiven, fallbackGiven bool
}

func (k *kv) getCommand() *cobra.Command {
	o := &getOptions{}
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: "Print the value of a key, byte for byte, with a newline behind it only on a terminal. A key that is\n" +
			"absent is exit code 3, unless --default says what to print or --wait waits for it.",
		Example:           "  lwj kv put greeting hello\n  lwj kv put greeting hi\n  lwj kv get greeting\n  lwj kv get greeting --at 1\n  lwj kv get nobody --default anonymous",
		Args:              exactly(1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.atGiven, o.fallbackGiven = cmd.Flags().Changed("at"), cmd.Flags().Changed("default")
			if err := o.check(cmd.Flags().Changed("timeout")); err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.get(cmd.Context(), b, args[0], o) })
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.at, "at", 0, "as it was at revision `REV`")
	f.StringVar(&o.fallback, "default", "", "print `V` where the key is absent")
	f.BoolVar(&o.wait, "wait", false, "wait until the key exists")
	f.DurationVar(&o.timeout, "timeout", 0, "with --wait, end with 124 after `D`; 0: wait for ever")
	f.BoolVar(&o.serializable, "serializable", false, "what the host knows will do, though another may know more")
	return c
}

func (o *getOptions) check(timeoutGiven bool) error {
	switch {
	case o.wait && (o.atGiven || o.fallbackGiven):
		return usagef("--wait excludes --at and --default")
	case timeoutGiven && !o.wait:
		return usagef("--timeout needs --wait")
	}
	return notNegative("timeout", o.timeout)
}

func (k *kv) get(ctx context.Context, b *kvbucket.Bucket, key string, o *getOptions) error {
	ctx, cancel := deadline(ctx, o.timeout)
	defer cancel()
	e, err := o.read(ctx, b, key)
	if o.fallbackGiven && errors.Is(err, kvbucket.ErrNotFound) {
		e, err = &kvbucket.Entry{Key: key, Value: []byte(o.fallback), Op: bus.OpPut}, nil
	}
	if err != nil {
		return overdue(ctx, err)
	}
	text := string(e.Value)
	if k.tty {
		text += "\n"
	}
	return k.print(newEntryJSON(e, true), text)
}

func (o *getOptions) read(ctx context.Context, b *kvbucket.Bucket, key string) (*kvbucket.Entry, error) {
	if o.wait {
		return b.Wait(ctx, key)
	}
	var opts []kvbucket.GetOption
	if o.atGiven {
		opts = append(opts, kvbucket.At(o.at))
	}
	if o.serializable {
		opts = append(opts, kvbucket.Serializable())
	}
	return b.Get(ctx, key, opts...)
}
