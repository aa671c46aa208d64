package lwj

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/proc"
)

// Job is a job of a Launcher. Safe for concurrent use.
//
// Its goroutine (run) takes it from reserved to its end; the goroutine of its
// processes tells it what they do through note.
type Job struct {
	l       *Launcher
	id      uint64
	epoch   uint64
	attempt uint32
	spec    Spec
	opts    RunOptions
	outlets map[trackID]*outlet // the processes' goroutine's own

	ctx    context.Context // ends when the job is lost or over
	cancel context.CancelCauseFunc
	wake   chan struct{} // one slot: something is to be looked at
	done   chan struct{}
	result Result // before done is closed: run's own

	spooled    int           // bytes; guarded by spool.mu
	outputLost uint64        // bytes; guarded by spool.mu
	drained    chan struct{} // one slot: spooled has become 0
	truncated  atomic.Bool   // the store takes no more output of this job

	mu        sync.Mutex
	tally     *tally
	asked     *Cancel       // what was asked for
	grace     time.Duration // of the shortest request
	signals   []syscall.Signal
	signalled uint64 // Seq of the last one in signals

	// run's own
	group   *proc.Group
	slotted bool          // holds a slot of Launcher.starts
	ran     bool          // the transition to running was queued
	why     ending        // what made us end the processes
	given   time.Duration // the grace they were given
}

// ending is why a launcher ends the processes of a job.
type ending int

const (
	byItself ending = iota
	onCancel
	onTimeout
	onFailFast
	onExec // a task could not be executed
)

// ID is the job's id.
func (j *Job) ID() uint64 { return j.id }

// Done is closed when the job has ended and its end is in the store, or it is
// lost; its processes are gone.
func (j *Job) Done() <-chan struct{} { return j.done }

// Wait returns how the job ended once it has.
//
// Errors: the cause of ctx.
func (j *Job) Wait(ctx context.Context) (Result, error) {
	select {
	case <-j.done:
		return j.result, nil
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

// Cancel ends the job as `lwj cancel` does, but from here: SIGTERM, and SIGKILL
// when grace has passed. It returns at once and needs no host. Of several the
// earliest end counts, so a second one with grace 0 kills. A job that has ended
// stays as it is.
func (j *Job) Cancel(grace time.Duration) {
	j.ask(&Cancel{Reason: ReasonUser, Grace: grace})
}

// Signal sends sig to the processes of the job: once it is running.
//
// Errors: CodeUsage for no signal.
func (j *Job) Signal(sig syscall.Signal) error {
	if sig < 1 || sig > maxSignal {
		return usage("there is no signal %d", int(sig))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.signalLocked(sig)
	return nil
}

// signalLocked keeps a signal for react; more than MaxSignals do not wait.
func (j *Job) signalLocked(sig syscall.Signal) {
	if len(j.signals) < MaxSignals {
		j.signals = append(j.signals, sig)
	}
	poke(j.wake)
}

// control takes up what a control record asks for. Records may come twice and
// in any order.
func (j *Job) control(c *Control) {
	if c.Epoch != j.epoch {
		return
	}
	if c.Cancel != nil {
		j.ask(c.Cancel)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range c.Signals {
		if s.Seq > j.signalled {
			j.signalled = s.Seq
			j.signalLocked(syscall.Signal(s.Number))
		}
	}
}

func (j *Job) ask(c *Cancel) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.asked == nil {
		j.asked, j.grace = c, c.Grace
	}
	j.grace = min(j.grace, c.Grace)
	poke(j.wake)
}

func (j *Job) cancelled() *Cancel {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.asked
}

// lose ends what the launcher does for the job, which is no longer its own.
func (j *Job) lose(err error) { j.cancel(err) }

// run takes the job from reserved to its end.
func (j *Job) run() {
	defer close(j.done)
	defer j.l.drop(j)
	j.finish(j.carry())
	j.cancel(bus.ErrClosed)
}

// carry is the job's way from reserved, at its epoch, to the transition that
// ends it; it returns when that is committed, or with "" when the job is lost.
// No process is left of it. It is the same for a job submitted here and for
// one claimed from a queue.
func (j *Job) carry() (State, *Detail) {
	if !j.starting() {
		return j.end(j.outcome())
	}
	j.perform()
	state, detail := j.outcome()
	if !j.l.spool.drain(j) {
		return "", nil
	}
	if n := j.l.spool.lostOutput(j); n > 0 && detail.Error == "" {
		detail.Error = fmt.Sprintf("the store has lost %d bytes of the output", n)
	}
	return j.end(state, detail)
}

// starting returns true when the job is starting: only then may there be
// processes. It is not when it was cancelled before, or is lost.
func (j *Job) starting() bool {
	if j.cancelled() == nil && j.await(j.l.ledger.put(j, Starting, nil)) && j.cancelled() == nil {
		return true
	}
	j.why = onCancel
	return false
}

// await returns true when a transition is committed, false when the job is lost.
func (j *Job) await(e *entry) bool {
	select {
	case <-e.done:
		return true
	case <-j.ctx.Done():
	}
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (j *Job) end(to State, d *Detail) (State, *Detail) {
	if j.ctx.Err() != nil || !j.await(j.l.ledger.put(j, to, d)) {
		return "", nil
	}
	return to, d
}

// finish makes the result.
func (j *Job) finish(state State, d *Detail) {
	if state == "" {
		j.result = Result{Lost: true, ExitCode: exitFailed, Detail: Detail{Reason: ReasonLost, Error: context.Cause(j.ctx).Error()}}
		return
	}
	j.result = Result{State: state, Detail: *d, ExitCode: exitFailed}
	switch {
	case state == Cancelled:
		j.result.ExitCode = ExitCancelled
	case d.ExitCode != nil:
		j.result.ExitCode = *d.ExitCode
	}
}

// outcome is the final state, when no process is left.
func (j *Job) outcome() (State, *Detail) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t := j.tally
	switch {
	case j.why == onCancel && j.asked != nil:
		return Cancelled, t.detail(j.asked.Reason)
	case j.why == onTimeout:
		d, code := t.detail(ReasonTimeout), ExitTimeout
		d.ExitCode = &code
		return Failed, d
	case !t.running():
		d := t.detail(ReasonExec)
		if t.execErr != "" {
			d.Error = t.execErr
		}
		return Failed, d
	case t.worst.code == 0:
		return Complete, t.detail("")
	case t.worst.signal != 0:
		d := t.detail(ReasonSignal)
		d.Signal = t.worst.signal
		return Failed, d
	}
	return Failed, t.detail(ReasonExit)
}
