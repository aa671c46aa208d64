package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

// runOptions are the flags of run.
type runOptions struct {
	specFlags
	noLabel bool
	detach  bool
	quiet   bool
	report  int // file descriptor on which a detached process tells its job; 0: not detached
}

func (a *app) runCommand() *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use:   "run [flags] -- CMD [ARG]…",
		Short: "Run a job here and now",
		Long: "Run a job here and now. What its tasks print streams through; standard input goes to task 0.\n" +
			"It ends with the job's exit code, the highest of its tasks (128+n when signal n ended one), 124 for\n" +
			"the time limit, 125 when the job was cancelled. Ctrl-C cancels the job, a second Ctrl-C kills it.",
		Example: "  lwj run -- echo hello\n  lwj run -n 3 --label team=ops -- sh -c 'echo I am $LWJ_TASK of $LWJ_NTASKS'\n  lwj run --detach -- sleep 0.1",
		Args:    atLeast(1, "a command: lwj run -- CMD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := o.spec(args)
			if err != nil {
				return err
			}
			if err := spec.Validate(); err != nil {
				return err
			}
			switch {
			case o.report != 0:
				return a.runDetached(cmd.Context(), spec, o)
			case o.detach:
				return a.detach(cmd.Context())
			}
			return a.with(cmd.Context(), func(l *link) error { return a.run(cmd.Context(), l, spec, o) })
		},
	}
	o.register(c.Flags())
	f := c.Flags()
	f.BoolVar(&o.noLabel, "no-label", false, "do not begin lines with [TASK] when there are several tasks")
	f.BoolVar(&o.detach, "detach", false, "leave the job running in the background and print its number")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not say the job's number on stderr")
	f.IntVar(&o.report, reportFlag, 0, "")
	_ = f.MarkHidden(reportFlag) // it exists
	return c
}

// run runs a job in this process and shows what it prints.
func (a *app) run(ctx context.Context, l *link, spec lwj.Spec, o *runOptions) error {
	launcher, err := a.launcher(ctx, l)
	if err != nil {
		return err
	}
	show := newShow(a.Out, a.Err, spec.Tasks > 1 && !o.noLabel)
	job, err := launcher.Run(ctx, spec, lwj.RunOptions{Stdin: a.In, OnOutput: show.output})
	if err == nil {
		a.sayJob(job.ID(), o.quiet)
		err = a.follow(ctx, job, show)
	}
	return errors.Join(err, show.close(), launcher.Close(context.WithoutCancel(ctx)))
}

// launcher makes the launcher of one job, whose tasks reach the bus as we do.
func (a *app) launcher(ctx context.Context, l *link) (*lwj.Launcher, error) {
	c := lwj.LauncherConfig{Name: "run", Server: a.serverName(), Logger: a.log}
	if c.Server == "" {
		dir, err := a.localDir()
		if err != nil {
			return nil, err
		}
		c.Dir = dir
	}
	return lwj.NewLauncher(ctx, l.Conn, c)
}

// sayJob tells the number of a job that has begun.
func (a *app) sayJob(id uint64, quiet bool) {
	switch {
	case quiet:
	case a.output == outputTable:
		a.say("job %d", id)
	default:
		line, _ := encodeJSON(newSubmitted(id, false)) // a number and a boolean always encode
		a.say("%s", line)
	}
}

// follow waits for the end of a job. The first signal, or the end of whoever
// reads its output, cancels it; a second signal kills it.
func (a *app) follow(ctx context.Context, job *lwj.Job, show *show) error {
	again := a.signals.keep()
	stop, broken := ctx.Done(), show.broken
	for {
		select {
		case <-job.Done():
			return a.ended(ctx, job)
		case <-stop:
			stop = nil
			job.Cancel(lwj.DefaultGrace)
		case <-broken:
			broken = nil
			job.Cancel(lwj.DefaultGrace)
		case <-again:
			job.Cancel(0)
		}
	}
}

// ended is the exit code of a job that has ended, as an error.
func (a *app) ended(ctx context.Context, job *lwj.Job) error {
	result, err := job.Wait(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if sig, ok := asSignal(ctx); ok {
		return errQuiet(exitSignal + int(sig))
	}
	return resultError(job.ID(), &result)
}

// resultError is the end of a job as an error: in words where its exit code
// alone would not tell, the reason being the error's name; nil for code 0.
func resultError(id uint64, r *lwj.Result) error {
	name := bus.Code(r.Detail.Reason)
	switch {
	case r.ExitCode == exitOK:
		return nil
	case r.Lost:
		return errTold{r.ExitCode, bus.NewError(name, "job %d is no longer ours: %s", id, r.Detail.Error)}
	case r.Detail.Reason == lwj.ReasonExec || r.Detail.Reason == lwj.ReasonTimeout:
		return errTold{r.ExitCode, bus.NewError(name, "job %d failed: %s", id, failure(&r.Detail))}
	}
	return errQuiet(r.ExitCode)
}

// failure is why a job failed, in words.
func failure(d *lwj.Detail) string {
	switch {
	case d.Error != "":
		return oneLine(d.Error)
	case d.Reason == lwj.ReasonTimeout:
		return "it ran longer than its time limit"
	}
	return d.Reason
}
