package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
)

// words is what the commands of atomic share. Its bucket and its completions
// are those of kv.
type words struct {
	*kv
	mustExist bool
	after     bool
}

func (a *app) atomicCommand() *cobra.Command {
	w := &words{kv: &kv{app: a}}
	c := &cobra.Command{
		Use:   "atomic",
		Short: "Add to, exchange and compare numbers that many share",
		Long: "Words are numbers of 64 bits at keys, stored as text, so that lwj kv reads them, too. Each command\n" +
			"changes one in one step, whoever else does so at the same time, and prints the value before. A key\n" +
			"that is absent counts as 0, or is exit code 3 with --must-exist.",
		Example: "  lwj atomic add visitors 1\n  lwj atomic load visitors",
	}
	onlyCommands(c)
	f := c.PersistentFlags()
	f.StringVarP(&w.bucket, "bucket", "b", defaultBucket, "bucket `NAME`")
	f.BoolVar(&w.mustExist, "must-exist", false, "end with 3 where the key is absent")
	_ = c.RegisterFlagCompletionFunc("bucket", w.completeBuckets) // the flag exists
	for _, s := range wordCommands() {
		c.AddCommand(w.command(&s))
	}
	return c
}

// command makes one command.
func (w *words) command(s *wordCommand) *cobra.Command {
	c := &cobra.Command{
		Use:     s.use,
		Short:   s.short,
		Long:    s.long,
		Example: s.example,
		Args: func(cmd *cobra.Command, args []string) error {
			showNegatives(args)
			return exactly(s.operands+1, s.what)(cmd, args)
		},
		ValidArgsFunction: w.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			op, x, y, err := s.read(args[1:])
			if err != nil {
				return err
			}
			return w.with(cmd.Context(), func(l *link) error { return w.do(cmd.Context(), l, args[0], op, x, y) })
		},
	}
	if s.comparison {
		c.ValidArgsFunction = w.completeComparison
	}
	if s.after {
		c.Flags().BoolVar(&w.after, "after", false, "print the value after, not that before")
	}
	return c
}

func (w *words) do(ctx context.Context, l *link, key string, op atomic.Op, x, y int64) error {
	var opts []atomic.WordOption
	if w.mustExist {
		opts = append(opts, atomic.MustExist())
	}
	word, err := atomic.Open(l.Conn, w.bucket, key, opts...)
	if err != nil {
		return err
	}
	r, err := word.Do(ctx, op, x, y)
	if err != nil {
		return err
	}
	return w.printWord(key, r)
}

// wordJSON is schema atomic.v1.
type wordJSON struct {
	Schema   string `json:"schema"`
	Key      string `json:"key"`
	Before   int64  `json:"before"`
	After    int64  `json:"after"`
	Met      bool   `json:"met"`
	Existed  bool   `json:"existed"`
	Revision uint64 `json:"revision"`
}

// printWord prints what an operation found; a condition that was not met is
// told by the exit code.
func (w *words) printWord(key string, r atomic.Result) error {
	n := r.Before
	if w.after {
		n = r.After
	}
	err := w.print(wordJSON{"atomic.v1", key, r.Before, r.After, r.Met, r.Existed, r.Revision}, itoa(n)+"\n")
	if err == nil && !r.Met {
		err = errQuiet(exitCondition)
	}
	return err
}

// completeComparison proposes keys, then comparisons.
func (w *words) completeComparison(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return w.completeKey(cmd, args, typed)
	}
	return comparisons(), cobra.ShellCompDirectiveNoFileComp
}
