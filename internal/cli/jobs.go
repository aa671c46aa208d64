package cli

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

// jobsOptions are the flags of jobs.
type jobsOptions struct {
	all    bool
	states []string
	labels []string
	group  string
	dead   bool
	sort   string
	limit  int
	watch  bool

	list    lwj.ListOptions
	compare func(a, b *lwj.Info) int // nil: by number
}

func (a *app) jobsCommand() *cobra.Command {
	o := &jobsOptions{}
	c := &cobra.Command{
		Use:   "jobs",
		Short: "List jobs",
		Long: "List the jobs that are not in a final state; with -a, --state or --dead the others too.\n" +
			"With -w the list is shown again whenever a job changes, until a signal.",
		Example: "  lwj run --label team=ops -- true\n  lwj submit --label team=ops -- make\n  lwj jobs\n  lwj jobs -a --label team=ops --sort -submitted --limit 10\n  lwj jobs -a -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.list.Group = changedString(cmd, "group", &o.group)
			if err := o.check(); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error { return a.jobs(cmd.Context(), lwj.NewClient(l.Conn), o) })
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "also jobs in a final state")
	f.StringSliceVar(&o.states, "state", nil, "only jobs in `STATE,…`")
	f.StringArrayVar(&o.labels, "label", nil, "only jobs with the label `K=V`; may be repeated")
	f.StringVar(&o.group, "group", "", "only jobs of the group")
	f.BoolVar(&o.dead, "dead", false, "only jobs that failed with their retries spent")
	f.StringVar(&o.sort, "sort", "job", "`FIELD` to sort by, with a - before it in falling order: "+strings.Join(sortFields(), ", "))
	f.IntVar(&o.limit, "limit", 0, "at most `N` rows; 0: all")
	f.BoolVarP(&o.watch, "watch", "w", false, "show the list again whenever it changes")
	return c
}

// changedString is the value of a flag that was given, or nil.
func changedString(cmd *cobra.Command, flag string, value *string) *string {
	if cmd.Flags().Changed(flag) {
		return value
	}
	return nil
}

// check reads the flags into the options of the list.
func (o *jobsOptions) check() (err error) {
	if err := notNegative("limit", o.limit); err != nil {
		return err
	}
	if o.list.States, err = states(o.states); err != nil {
		return err
	}
	if o.list.Labels, err = pairs("label", o.labels); err != nil {
		return err
	}
	o.list.Dead = o.dead
	o.list.Active = !o.all && !o.dead && len(o.states) == 0
	field, falling := strings.CutPrefix(o.sort, "-")
	if field == "job" {
		o.list.Newest, o.list.Limit = falling, o.limit
		return nil
	}
	by := orderOf(field)
	if by == nil {
		return usagef("--sort %s: the fields are %s", o.sort, strings.Join(sortFields(), ", "))
	}
	o.compare = by
	if falling {
		o.compare = func(a, b *lwj.Info) int { return by(b, a) }
	}
	return nil
}

func sortFields() []string {
	return []string{"job", "state", "name", "priority", "submitted", "changed"}
}

// orderOf is the order by a field; nil for an unknown one.
func orderOf(field string) func(a, b *lwj.Info) int {
	switch field {
	case "state":
		return func(a, b *lwj.Info) int { return cmp.Compare(a.State.State, b.State.State) }
	case "name":
		return func(a, b *lwj.Info) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) }
	case "priority":
		return func(a, b *lwj.Info) int { return cmp.Compare(a.Spec.Priority, b.Spec.Priority) }
	case "submitted":
		return func(a, b *lwj.Info) int { return cmp.Compare(first(a), first(b)) }
	case "changed":
		return func(a, b *lwj.Info) int { return cmp.Compare(a.Revision, b.Revision) }
	}
	return nil
}

// first is when the job was made, as far as is known.
func first(i *lwj.Info) int64 {
	if len(i.Times) == 0 {
		return 0
	}
	return i.Times[0].Time
}

func (a *app) jobs(ctx context.Context, c *lwj.Client, o *jobsOptions) error {
	if o.watch {
		return a.watchJobs(ctx, c, o)
	}
	return a.listJobs(ctx, c, o)
}

func (a *app) listJobs(ctx context.Context, c *lwj.Client, o *jobsOptions) error {
	jobs, _, err := c.List(ctx, o.list)
	if err != nil {
		return err
	}
	rows := a.rows("JOB", "STATE", "SINCE", "EXIT", "REASON", "TASKS", "NAME", "COMMAND")
	for _, i := range o.arrange(jobs) {
		if err := rows.add(newJobJSON(i), jobCells(i)...); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

// arrange sorts and cuts a list as the flags say.
func (o *jobsOptions) arrange(jobs []lwj.Info) []*lwj.Info {
	out := make([]*lwj.Info, len(jobs))
	for i := range jobs {
		out[i] = &jobs[i]
	}
	if o.compare != nil {
		slices.SortStableFunc(out, o.compare)
	}
	if o.limit > 0 && len(out) > o.limit {
		out = out[:o.limit]
	}
	return out
}

func jobCells(i *lwj.Info) []string {
	since, exit, reason := "", "", ""
	if n := len(i.Times); n > 0 {
		since = clockTime(time.Unix(0, i.Times[n-1].Time))
	}
	if d := i.State.Detail; d != nil {
		reason = d.Reason
		if d.ExitCode != nil {
			exit = strconv.Itoa(*d.ExitCode)
		}
	}
	return []string{utoa(i.ID), string(i.State.State), since, exit, reason, strconv.Itoa(i.Spec.Tasks), i.Spec.Name, commandLine(i.Spec.Command)}
}

// commandLine is a command as a table shows it: not long.
func commandLine(command []string) string {
	const most = 60
	line := []rune(shellLine(command[:min(len(command), most)]))
	if len(line) > most {
		return string(line[:most-1]) + "…"
	}
	return string(line)
}
