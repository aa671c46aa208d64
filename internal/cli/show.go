package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show N",
		Short:             "Show all that is known of a job",
		Example:           "  lwj run --name hello --label team=ops -- echo hello\n  lwj show 1\n  lwj show 1 -o json",
		Args:              exactly(1, "a job's number"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := jobID(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error { return a.show(cmd.Context(), lwj.NewClient(l.Conn), id) })
		},
	}
}

func (a *app) show(ctx context.Context, c *lwj.Client, id uint64) error {
	i, err := c.Show(ctx, id)
	if err != nil {
		return err
	}
	if a.output == outputTable {
		return writeString(a.Out, jobText(i))
	}
	return a.print(newJobJSON(i), "")
}

// jobText is a job for people: a name and a value a line, what is empty left out.
func jobText(i *lwj.Info) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-11s%s\n", name, printable(value))
		}
	}
	line("job", utoa(i.ID))
	line("name", i.Spec.Name)
	line("state", stateText(i))
	line("command", shellLine(i.Spec.Command))
	line("tasks", strconv.Itoa(i.Spec.Tasks))
	line("cwd", i.Spec.Dir)
	line("labels", labelText(i.Spec.Labels))
	line("group", i.Spec.Group)
	line("dataset", i.Spec.Dataset)
	line("priority", strconv.Itoa(i.Spec.Priority))
	if i.Spec.TimeLimit > 0 {
		line("time limit", i.Spec.TimeLimit.String())
	}
	line("owner", i.Control.Owner)
	line("epoch", utoa(i.Control.Epoch))
	line("attempt", utoa(uint64(i.Control.Attempt)))
	line("host", i.Host)
	if len(i.Pids) > 0 {
		line("pids", strings.Trim(fmt.Sprint(i.Pids), "[]"))
	}
	if w := i.Control.Waiting; w != nil {
		line("waiting", "before "+string(w.State))
	}
	for _, e := range i.Times {
		line(string(e.State), clockTime(time.Unix(0, e.Time)))
	}
	line("revision", utoa(i.Revision))
	return b.String()
}

// stateText is the state, and why.
func stateText(i *lwj.Info) string {
	parts := []string{string(i.State.State)}
	if d := i.State.Detail; d != nil {
		parts = append(parts, detailText(d)...)
	}
	return strings.Join(parts, ", ")
}

// detailText is what a detail says, part by part.
func detailText(d *lwj.Detail) (parts []string) {
	if d.Reason != "" {
		parts = append(parts, d.Reason)
	}
	if d.ExitCode != nil {
		parts = append(parts, "exit "+strconv.Itoa(*d.ExitCode))
	}
	if d.Signal != 0 {
		parts = append(parts, "signal "+strconv.Itoa(d.Signal))
	}
	if len(d.Pids) > 0 {
		parts = append(parts, "pids "+strings.Trim(fmt.Sprint(d.Pids), "[]"))
	}
	if d.Host != "" {
		parts = append(parts, "on "+d.Host)
	}
	if d.Error != "" {
		parts = append(parts, oneLine(d.Error))
	}
	return parts
}

func labelText(labels map[string]string) string {
	var out []string
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
