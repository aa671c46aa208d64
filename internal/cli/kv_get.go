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
	owner        string
	serializable bool

	atGiven, fallbackGiven bool
}

func (k *kv) getCommand() *cobra.Command {
	o := &getOptions{}
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: "Print the value of a key, byte for byte, with a newline behind it only on a terminal. A key that is\n" +
			"absent is exit code 3, unless --default says what to print or --wait waits for it. A wait ends with exit\n" +
			"code 124 after --timeout, and with 1 (never) when the owner of --fail-if-owner-ends ends or is none.",
		Example: "  lwj kv put greeting hello\n  lwj kv put greeting hi\n  lwj kv get greeting\n  lwj kv get greeting --at 1\n  lwj kv get nobody --default anonymous\n" +
			"  lwj kv get greeting --wait --timeout 5s",
		Args:              exactly(1, "a key"),
		ValidArgsFunction: k.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.atGiven, o.fallbackGiven = cmd.Flags().Changed("at"), cmd.Flags().Changed("default")
			if err := o.check(cmd.Flags().Changed); err != nil {
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
	f.StringVar(&o.owner, "fail-if-owner-ends", "", "with --wait, end with 1 when `OWNER` is registered no more")
	f.BoolVar(&o.serializable, "serializable", false, "what the host knows will do, though another may know more")
	_ = c.RegisterFlagCompletionFunc("fail-if-owner-ends", k.completeOwners) // the flag exists
	return c
}

func (o *getOptions) check(given func(flag string) bool) error {
	switch {
	case o.wait && (o.atGiven || o.fallbackGiven || o.serializable):
		return usagef("--wait excludes --at, --default and --serializable")
	case given("timeout") && !o.wait:
		return usagef("--timeout needs --wait")
	case given("fail-if-owner-ends") && !o.wait:
		return usagef("--fail-if-owner-ends needs --wait")
	case given("fail-if-owner-ends") && o.owner == "":
		return usagef("--fail-if-owner-ends is empty: it is the id of an owner")
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
	return k.printEntry(e)
}

func (o *getOptions) read(ctx context.Context, b *kvbucket.Bucket, key string) (*kvbucket.Entry, error) {
	if o.wait {
		return b.Wait(ctx, key, o.waitOptions()...)
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

func (o *getOptions) waitOptions() []kvbucket.WaitOption {
	if o.owner == "" {
		return nil
	}
	return []kvbucket.WaitOption{kvbucket.UnlessOwnerEnds(o.owner)}
}
