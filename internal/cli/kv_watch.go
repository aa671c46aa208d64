package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// kvWatchOptions are the flags of kv watch.
type kvWatchOptions struct {
	prefixes []string
	ranges   []string
	since    string
	events   []string
	keysOnly bool
	count    int
	command  []string // run for each change; none: changes are printed
}

func (k *kv) watchCommand() *cobra.Command {
	o := &kvWatchOptions{}
	c := &cobra.Command{
		Use:   "watch [KEY]… [-- CMD [ARG]…]",
		Short: "Show every change of keys, each once and in order",
		Long: "Show every change of the keys, prefixes and ranges that are named, or of all, each once and in order:\n" +
			"from now on, from a revision, or from the oldest that is kept. A change that several of them name is\n" +
			"shown once for each.\n\n" +
			"With CMD nothing is shown; CMD runs for each change, one after the other, with LWJ_KEY, LWJ_REVISION, LWJ_OP\n" +
			"(put or delete) and LWJ_VALUE_FILE: a file with the value, empty for a delete, which goes when CMD ends; with\n" +
			"--keys-only there is none. CMD's standard input is empty. A CMD that fails ends the watch with its exit code;\n" +
			"the signals that would end the watch are passed on to it.",
		Example: "  lwj kv put greeting hello\n  lwj kv put greeting hi\n  lwj kv watch greeting --since start --count 2\n  lwj kv watch --prefix g --since 1 --count 2 -o jsonl\n" +
			"  lwj kv watch --prefix g --since start --count 2 -- sh -c 'echo \"$LWJ_KEY is $(cat \"$LWJ_VALUE_FILE\")\"'",
		ValidArgsFunction: k.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := o.split(cmd, args)
			if err != nil {
				return err
			}
			opts, err := o.options(keys)
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.watch(cmd.Context(), b, o, opts) })
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.prefixes, "prefix", nil, "keys that begin with `P`; may be repeated")
	f.StringArrayVar(&o.ranges, "range", nil, "keys from A to below B, `A,B`; without B to the end; may be repeated")
	f.StringVar(&o.since, "since", sinceNow, "begin at `REV|start|now`")
	f.StringSliceVar(&o.events, "events", nil, "only `put,delete`")
	f.BoolVar(&o.keysOnly, "keys-only", false, "leave out values")
	f.IntVar(&o.count, "count", 0, "end after `N` changes")
	return c
}

// split finds the keys, and the command behind them.
func (o *kvWatchOptions) split(cmd *cobra.Command, args []string) ([]string, error) {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		return args, nil
	}
	if o.command = args[dash:]; len(o.command) == 0 {
		return nil, usagef("%s needs a command behind --", cmd.CommandPath())
	}
	return args[:dash], checkCommand(o.command)
}

func (o *kvWatchOptions) options(keys []string) ([]kvbucket.WatchOption, error) {
	if err := notNegative("count", o.count); err != nil {
		return nil, err
	}
	opts := []kvbucket.WatchOption{kvbucket.Keys(keys...), kvbucket.Prefixes(o.prefixes...)}
	for _, r := range o.ranges {
		span, err := parseRange(r)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kvbucket.Ranges(span))
	}
	kinds, err := parseOps(o.events)
	if err != nil {
		return nil, err
	}
	opts = append(opts, kvbucket.Kinds(kinds...))
	if o.keysOnly {
		opts = append(opts, kvbucket.KeysOnly())
	}
	return o.begin(opts)
}

// begin adds where the watch begins.
func (o *kvWatchOptions) begin(opts []kvbucket.WatchOption) ([]kvbucket.WatchOption, error) {
	switch o.since {
	case sinceNow:
		return opts, nil
	case sinceStart:
		return append(opts, kvbucket.FromStart()), nil
	}
	revision, err := strconv.ParseUint(o.since, 10, 64)
	if err != nil {
		return nil, usagef("--since %s: it is a revision, start or now", o.since)
	}
	return append(opts, kvbucket.Since(revision)), nil
}

func parseRange(s string) (kvbucket.Range, error) {
	from, to, ok := strings.Cut(s, ",")
	if !ok {
		return kvbucket.Range{}, usagef("--range %s: it is of the form A,B", s)
	}
	return kvbucket.Range{From: from, To: changed(to != "", to)}, nil
}

func parseOps(names []string) (ops []bus.Op, err error) {
	for _, name := range names {
		switch name {
		case bus.OpPut.String():
			ops = append(ops, bus.OpPut)
		case bus.OpDelete.String():
			ops = append(ops, bus.OpDelete)
		default:
			return nil, usagef("--events %s: they are put and delete", name)
		}
	}
	return ops, nil
}

func (k *kv) watch(ctx context.Context, b *kvbucket.Bucket, o *kvWatchOptions, opts []kvbucket.WatchOption) error {
	w, err := b.Watch(ctx, opts...)
	if err != nil {
		return err
	}
	if len(o.command) > 0 {
		return errors.Join(eachChange(ctx, w, o.count, &changeRunner{k, o.command, o.keysOnly}), w.Close())
	}
	rows := k.stream()
	err = eachChange(ctx, w, o.count, &changePrinter{rows, !o.keysOnly})
	return errors.Join(endRows(rows, err), w.Close())
}

// changes is what is done with what a watch brings.
type changes interface {
	change(ctx context.Context, ev kvbucket.Event) error
	caughtUp(revision uint64) error
}

// eachChange hands on what a watch brings: count changes, or all for 0.
func eachChange(ctx context.Context, w *kvbucket.Watch, count int, to changes) error {
	for n := 0; count == 0 || n < count; {
		ev, err := w.Next(ctx)
		if err != nil {
			return err
		}
		switch {
		case ev.Entry != nil:
			n++
			err = to.change(ctx, ev)
		case ev.CaughtUp:
			err = to.caughtUp(ev.Revision)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changePrinter prints changes.
type changePrinter struct {
	*rows
	values bool
}

// caughtUpJSON is schema kv.caught-up.v1.
type caughtUpJSON struct {
	Schema   string `json:"schema"`
	Revision uint64 `json:"revision"`
}

func (p *changePrinter) caughtUp(revision uint64) error {
	if p.format == outputTable {
		return nil
	}
	return p.add(caughtUpJSON{"kv.caught-up.v1", revision})
}

func (p *changePrinter) change(_ context.Context, ev kvbucket.Event) error {
	e := ev.Entry
	j := newEntryJSON(e, p.values)
	j.Filter = &ev.Filter
	return p.add(j, utoa(e.Revision), e.Op.String(), e.Key, valueOrReason(e))
}
