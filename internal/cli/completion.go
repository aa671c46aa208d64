package cli

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
)

// Bounds of a live completion.
const (
	completeTime = 500 * time.Millisecond
	completeMost = 100 // proposals
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a script that makes a shell complete commands, jobs and keys",
		Example:   "  lwj completion bash > lwj.bash",
		Args:      exactly(1, "the name of a shell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE:      func(cmd *cobra.Command, args []string) error { return writeCompletion(cmd.Root(), a.Out, args[0]) },
	}
}

func writeCompletion(root *cobra.Command, out io.Writer, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(out, true)
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(out)
	}
	return usagef("%q is no shell that can be helped: bash, zsh, fish or powershell", shell)
}

// completeJobs proposes the numbers of the newest jobs.
func (a *app) completeJobs(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, func(ctx context.Context, l *link) (found []string, err error) {
		jobs, _, err := lwj.NewClient(l.Conn).List(ctx, lwj.ListOptions{Newest: true, Limit: completeMost})
		for i := range jobs {
			j := &jobs[i]
			if id := utoa(j.ID); strings.HasPrefix(id, typed) {
				found = append(found, id+"\t"+string(j.State.State)+" "+printable(commandLine(j.Spec.Command)))
			}
		}
		return found, err
	})
}

// completeKey proposes keys for the first argument.
func (k *kv) completeKey(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return k.completeKeys(cmd, args, typed)
}

// completeKeys proposes keys.
func (k *kv) completeKeys(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return k.complete(cmd, func(ctx context.Context, l *link) (found []string, err error) {
		b, err := kvbucket.Open(l.Conn, k.bucket)
		if err != nil {
			return nil, err
		}
		entries, err := b.List(ctx, kvbucket.Prefix(typed))
		for _, e := range entries[:min(len(entries), completeMost)] {
			if printable(e.Key) == e.Key { // a shell cannot type the others
				found = append(found, e.Key)
			}
		}
		return found, err
	})
}

// complete asks the host that runs, and becomes none: no answer in time is no
// proposal.
func (a *app) complete(cmd *cobra.Command, find func(context.Context, *link) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	if a.fromEnvironment(cmd.Root().PersistentFlags()) != nil {
		return nil, directive
	}
	a.host, a.requestTimeout = hostNever, completeTime
	l, err := a.connect(ctx)
	if err != nil {
		return nil, directive
	}
	defer l.Close()
	found, err := find(ctx, l)
	if err != nil {
		return nil, directive
	}
	return found, directive
}
