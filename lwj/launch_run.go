package lwj

import (
	"context"
	"io"
)

// RunOptions says where the input of a job comes from and who else gets its
// output. The zero value: no input, nobody; the output is stored in any case.
type RunOptions struct {
	// Stdin is read as the standard input of task 0. A Read that waits when the
	// job has ended is not waited for: it should end with the program, or its
	// reader be closed. Default: /dev/null.
	Stdin io.Reader
	// Stdout and Stderr get what all tasks print, as it comes, in pieces of one
	// task each. One goroutine per job writes; the tasks wait for it. After an
	// error nothing more is written. Default: nobody.
	Stdout, Stderr io.Writer
	// OnOutput gets the same, with the task and Stdout or Stderr; data is valid
	// until it returns. Default: nobody.
	OnOutput func(task int, stream string, data []byte)
}

// Result is how a job ended.
type Result struct {
	State  State // Complete, Failed or Cancelled; empty when Lost
	Detail Detail
	// ExitCode is what `lwj run` ends with: the highest of the tasks (128+n for
	// signal n), 124 for the time limit, 125 for cancelled, 1 for a job that
	// failed without one or was lost.
	ExitCode int
	// Lost: the job was no longer this launcher's. Its processes are gone; the
	// host says how it ended, or who has it now. Detail.Error says why.
	Lost bool
}

// Exit codes of jobs that have none of their tasks.
const (
	ExitTimeout   = 124
	ExitCancelled = 125
	exitFailed    = 1
)

// Run submits a job that begins here and now, in one request, and returns when
// the host has it. ctx is for the submit alone: from then on the job runs
// until its end, Job.Cancel or Close.
//
// Errors: CodeUsage and ErrTooLarge for what Spec.Validate refuses, and for
// what only a queue does: Retries, Delay, Dedup, Machine. CodeClosed after
// Close, ErrNoOwner after Lost; those of bus.Conn.Call. With ErrUnknownOutcome
// the job, if it was made, is cancelled as soon as the launcher learns of it.
func (l *Launcher) Run(ctx context.Context, spec Spec, opts RunOptions) (*Job, error) {
	if err := checkLocal(&spec); err != nil {
		return nil, err
	}
	if err := l.admit(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })()

	id, err := l.client.Submit(ctx, spec, Start(l.session.ID(), l.session.Token()))
	if err != nil {
		l.submitted(err)
		return nil, err
	}
	j := l.newJob(claim{id: id, epoch: 1, attempt: 1}, spec.withDefaults(), opts)
	l.carry(j)
	l.submitted(nil)
	return j, nil
}

// checkLocal refuses what a job cannot have that never is in a queue.
func checkLocal(s *Spec) error {
	switch {
	case s.Retries != 0 || s.Delay != 0 || s.Dedup != "":
		return usage("retries, a delay and a dedup key are for queued jobs; this one runs at once").WithHint("submit it to a queue")
	case s.Machine != nil:
		return usage("this launcher runs jobs of the default machine only")
	}
	return s.Validate()
}

// claim is a job that is reserved for the launcher.
type claim struct {
	id      uint64
	epoch   uint64
	attempt uint32
	signals uint64 // Seq of the last signal asked for under owners before
}

func (l *Launcher) newJob(c claim, spec Spec, opts RunOptions) *Job {
	j := &Job{
		l: l, id: c.id, epoch: c.epoch, attempt: c.attempt, spec: spec, opts: opts, signalled: c.signals,
		tally: newTally(spec.Tasks), outlets: map[trackID]*outlet{},
		wake: make(chan struct{}, 1), drained: make(chan struct{}, 1), done: make(chan struct{}),
	}
	j.ctx, j.cancel = context.WithCancelCause(l.ctx)
	return j
}
