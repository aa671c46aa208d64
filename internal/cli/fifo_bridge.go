package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/fifo"
)

func (a *app) fifoBridgeCommand() *cobra.Command {
	var in, out bool
	c := &cobra.Command{
		Use:   "bridge NAME PATH --in|--out",
		Short: "Tie a pipe to a named pipe of the file system",
		Long: "Tie a pipe to a file as mkfifo makes one, which is made unless it is there, so that a script needs only echo\n" +
			"and cat. With --in each line that is written to PATH is put as an item; what the last writer leaves without\n" +
			"a newline is one, too. With --out each who opens PATH for reading gets one item as a line, and then the end\n" +
			"of file; one at a time, so several readers want a bridge and a PATH each. It is acknowledged once it was\n" +
			"read whole. It runs until a signal ends it, and with --out until the pipe is at its end: then its reader\n" +
			"gets nothing. PATH stays. It says on stderr when it is ready.",
		Example: "  lwj fifo create work\n  lwj fifo put work hello\n  lwj fifo close work\n  mkfifo out\n" +
			"  lwj fifo bridge work out --out &\n  cat out\n  cat out\n  wait",
		Args: exactly(2, "the name of a pipe and a path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in == out {
				return usagef("%s needs one of --in and --out", cmd.CommandPath())
			}
			direction := fifo.In
			if out {
				direction = fifo.Out
			}
			return a.pipe(cmd.Context(), args[0], func(p *fifo.Pipe) error { return a.bridge(cmd.Context(), p, args[1], direction) })
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault // a path
			}
			return a.completePipe(cmd, args, typed)
		},
	}
	c.Flags().BoolVar(&in, "in", false, "put what is written to PATH")
	c.Flags().BoolVar(&out, "out", false, "give items to those who read PATH")
	return c
}

func (a *app) bridge(ctx context.Context, p *fifo.Pipe, path string, d fifo.Direction) error {
	b, err := fifo.OpenBridge(ctx, p, path, d, a.pipeSession("bridge", p))
	if err != nil {
		return err
	}
	what := "%s goes into pipe %s"
	if d == fifo.Out {
		what = "%s comes from pipe %s"
	}
	a.say("lwj: "+what, printable(path), printable(p.Name()))
	return errors.Join(b.Run(ctx), b.Close())
}
