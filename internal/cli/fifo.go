package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (a *app) fifoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fifo",
		Short: "Put items into pipes, and get each of them once",
		Long: "Pipes are named queues at the host. Any number of producers put items, any number of consumers get them,\n" +
			"at the same time or not, and each item goes to one. It is gone once its consumer has acknowledged it; what\n" +
			"a consumer that dies or fails had goes to the next.",
		Example: "  lwj fifo create work\n  printf 'one\\ntwo\\n' | lwj fifo put work --lines\n  lwj fifo close work\n  lwj fifo cat work",
	}
	onlyCommands(c)
	c.AddCommand(
		a.fifoCreateCommand(), a.fifoRmCommand(), a.fifoLsCommand(), a.fifoInfoCommand(), a.fifoPutCommand(), a.fifoGetCommand(),
		a.fifoCatCommand(), a.fifoCloseCommand(), a.fifoDeadCommand(), a.fifoBridgeCommand(),
	)
	return c
}

// pipe joins the bus and finds a pipe for as long as do takes.
func (a *app) pipe(ctx context.Context, name string, do func(*fifo.Pipe) error) error {
	return a.with(ctx, func(l *link) error {
		p, err := fifo.Open(ctx, l.Conn, name)
		if err != nil {
			return err
		}
		return do(p)
	})
}

// pipeSession is how the session of a command's reader or writer is held.
func (a *app) pipeSession(what string, p *fifo.Pipe) kvbucket.SessionConfig {
	return kvbucket.SessionConfig{Info: processInfo() + ", fifo " + what + " " + p.Name(), Logger: a.log}
}

func (a *app) fifoRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "Remove a pipe with everything in it",
		Long:              "Remove a pipe with everything in it. Whoever waits for it ends with exit code 3.",
		Example:           "  lwj fifo create work\n  lwj fifo rm work",
		Args:              exactly(1, "the name of a pipe"),
		ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pipe(cmd.Context(), args[0], func(p *fifo.Pipe) error { return p.Remove(cmd.Context()) })
		},
	}
}

func (a *app) fifoCloseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "close NAME",
		Short: "Let nothing more be put into a pipe",
		Long: "Let nothing more be put into a pipe: who gets items gets what is left, and then the end of file. It cannot\n" +
			"be opened again. A lwj fifo put that ends closes nothing.",
		Example:           "  lwj fifo create work\n  lwj fifo put work last\n  lwj fifo close work\n  lwj fifo cat work",
		Args:              exactly(1, "the name of a pipe"),
		ValidArgsFunction: a.completePipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pipe(cmd.Context(), args[0], func(p *fifo.Pipe) error { return p.CloseWriters(cmd.Context()) })
		},
	}
}

// completePipe proposes pipes for the first argument.
func (a *app) completePipe(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(cmd, func(ctx context.Context, l *link) (found []string, err error) {
		pipes, err := fifo.List(ctx, l.Conn)
		for _, p := range pipes {
			if strings.HasPrefix(p.Name, typed) && printable(p.Name) == p.Name && len(found) < completeMost {
				found = append(found, p.Name+"\t"+utoa(uint64(p.Ready))+" items")
			}
		}
		return found, err
	})
}
