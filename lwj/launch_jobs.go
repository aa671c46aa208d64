package lwj

import (
	"context"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// admit counts a submit in, unless the launcher has ended.
func (l *Launcher) admit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return bus.NewError(bus.CodeClosed, "the launcher is closed")
	}
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	l.begun++
	l.submits++
	l.active.Add(1)
	return nil
}

// submitted counts a submit out. One with an unknown outcome may have left a
// job that nobody carries: see disown.
func (l *Launcher) submitted(err error) {
	l.mu.Lock()
	defer l.active.Done()
	defer l.mu.Unlock()
	l.submits--
	if bus.CodeOf(err) == bus.CodeUnknownOutcome {
		l.missed = true
	}
	if l.missed && l.submits == 0 {
		l.watch.resync()
	}
}

// carry takes up a job that is reserved for this launcher, from now until its
// end. The caller has been admitted.
func (l *Launcher) carry(j *Job) {
	l.mu.Lock()
	l.jobs[j.id] = j
	l.active.Add(1)
	closing := l.closing
	l.mu.Unlock()
	if closing {
		j.Cancel(l.cfg.Grace)
	}
	go func() { // ends with the job; Close waits for it
		defer l.active.Done()
		j.run()
	}()
}

// drop forgets a job that has ended.
func (l *Launcher) drop(j *Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, j.id)
}

// control hands a control record to its job; false if that is not here. A
// request that came before its job was is read again.
func (l *Launcher) control(id uint64, c *Control) bool {
	l.mu.Lock()
	j := l.jobs[id]
	if j == nil && l.submits > 0 && (c.Cancel != nil || len(c.Signals) > 0) {
		l.missed = true
	}
	l.mu.Unlock()
	if j != nil {
		j.control(c)
	}
	return j != nil
}

// lookedAt begins a look at control records: whether all of them are to be
// read, and a mark of what was submitted so far.
func (l *Launcher) lookedAt() (missed bool, quiet uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missed = l.missed
	l.missed = false
	return missed, l.begun
}

// missedAgain takes back what lookedAt said: the look failed.
func (l *Launcher) missedAgain(missed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed = l.missed || missed
}

// disown cancels jobs that the host has under this launcher and that it does
// not know: submits whose answer was lost. It does so only when no submit ran
// since mark, for those jobs are not known yet.
func (l *Launcher) disown(strays []Owned, mark uint64) {
	if strays = l.unknown(strays, mark); len(strays) == 0 {
		return
	}
	items := make([]Advance, 0, min(len(strays), MaxItems))
	for _, o := range strays[:cap(items)] {
		items = append(items, Advance{ID: o.ID, To: Cancelled, Epoch: o.Control.Epoch,
			Detail: &Detail{Reason: ReasonUser, Error: "its launcher does not know of it: the answer to its submit was lost"}})
	}
	// A job that has ended since is refused. What else fails is tried again.
	if _, err := l.client.Advance(l.ctx, items...); err != nil || len(items) < len(strays) {
		l.missedAgain(true)
	}
}

// unknown are those strays that no submit can still make known; none while
// that cannot be told, and then they are looked at again.
func (l *Launcher) unknown(strays []Owned, mark uint64) []Owned {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.submits > 0 || l.begun != mark {
		l.missed = l.missed || len(strays) > 0
		return nil
	}
	return slices.DeleteFunc(strays, func(o Owned) bool { return l.jobs[o.ID] != nil })
}

// Close ends the launcher as SIGTERM ends `lwj run`: no new jobs, those that
// are left get SIGTERM and after the grace SIGKILL and become cancelled
// (reason ReasonUser), then the owner's registration ends. When ctx ends first
// the processes are killed at once, the results are Lost, and the host settles
// the jobs when the lease has ended (TestLauncherCloseWithoutHost). It returns
// after the last goroutine, also after a Write or OnOutput of RunOptions that
// waits, and may be called twice and concurrently (TestLauncherClose).
//
// Errors: the cause of ctx when that ended first.
func (l *Launcher) Close(ctx context.Context) error {
	left, first := l.shut()
	for _, j := range left {
		j.Cancel(l.cfg.Grace)
	}
	stop := context.AfterFunc(ctx, func() { l.cancel(context.Cause(ctx)) })
	defer stop()
	if !first {
		<-l.ended
		return context.Cause(ctx)
	}
	defer close(l.ended)
	l.active.Wait()
	stopped := l.ctx.Err() != nil // the lease is lost, or ctx ended with jobs left
	if !stopped {
		l.endOwner(ctx)
	}
	l.cancel(bus.ErrClosed)
	l.session.Orphan()
	l.loops.Wait()
	if stopped {
		return context.Cause(ctx)
	}
	return nil
}

// shut refuses new jobs and returns those that are left.
func (l *Launcher) shut() (left []*Job, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = !l.closing
	l.closing = true
	for _, j := range l.jobs {
		left = append(left, j)
	}
	return left, first
}
