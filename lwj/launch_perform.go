package lwj

import (
	"slices"
	"syscall"
	"time"

	"github.com/lwjbus/lwjbus/internal/proc"
)

// perform runs the job's processes and returns when none is left.
func (j *Job) perform() {
	if !j.takeSlot() {
		return
	}
	defer j.freeSlot()
	if err := j.launch(); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.tally.refused(err)
		return
	}
	var limit <-chan time.Time
	for {
		select {
		case <-j.group.Done():
			j.react()
			return
		case <-j.wake:
			if j.react() && j.spec.TimeLimit > 0 {
				t := time.NewTimer(j.spec.TimeLimit)
				defer t.Stop()
				limit = t.C
			}
		case <-limit:
			j.stop(onTimeout, j.l.cfg.Grace)
		}
	}
}

// takeSlot waits for its turn to start processes; false when the job is to be
// ended instead.
func (j *Job) takeSlot() bool {
	for {
		if j.cancelled() != nil {
			j.why = onCancel
			return false
		}
		select {
		case j.l.starts <- struct{}{}:
			j.slotted = true
			return true
		case <-j.wake:
		case <-j.ctx.Done():
			return false
		}
	}
}

func (j *Job) freeSlot() {
	if j.slotted {
		j.slotted = false
		<-j.l.starts
	}
}

// launch starts the processes. They are killed when the job is lost.
func (j *Job) launch() (err error) {
	j.group, err = proc.Start(j.ctx, proc.Spec{
		Command: j.spec.Command, Env: j.l.cfg.Environ, TaskEnv: j.taskEnv,
		Dir: j.spec.Dir, Tasks: j.spec.Tasks, Stdin: j.opts.Stdin != nil,
	}, j.note)
	if err == nil && j.opts.Stdin != nil {
		go feed(j.group.Stdin(), j.opts.Stdin) // ends as feed says
	}
	return err
}

// note takes what the processes do. It runs in their goroutine: while it waits
// for room in the spool the tasks wait in their writes.
func (j *Job) note(ev proc.Event) {
	if ev.Kind == proc.Output {
		j.output(ev)
		return
	}
	j.mu.Lock()
	j.tally.note(ev)
	j.mu.Unlock()
	poke(j.wake)
}

// react does what the state of the tasks and the requests ask for; true when
// the job has just become running. Nothing waits for the lock that it holds
// while it looks; what may wait for the supervisor comes after.
func (j *Job) react() (began bool) {
	j.mu.Lock()
	began = j.beginLocked()
	var signals []syscall.Signal
	if j.ran {
		signals, j.signals = j.signals, nil
	}
	why, grace := j.dueLocked()
	j.mu.Unlock()
	for _, s := range signals {
		_ = j.group.Signal(s) // ended, or soon to be killed
	}
	if why != byItself {
		j.stop(why, grace)
	}
	return began
}

// beginLocked queues the transition to running when every task has been
// exec'd. The job goes on meanwhile: its end is queued behind it.
func (j *Job) beginLocked() bool {
	if j.ran || !j.tally.running() {
		return false
	}
	j.ran = true
	j.freeSlot()
	j.l.ledger.put(j, Running, &Detail{Host: j.l.cfg.Host, Pids: slices.Clone(j.tally.pids)})
	return true
}

// dueLocked says why the processes are to be ended now, if they are.
func (j *Job) dueLocked() (ending, time.Duration) {
	t, grace := j.tally, j.l.cfg.Grace
	switch {
	case t.over():
	case j.asked != nil:
		return onCancel, j.grace
	case t.execErr != "":
		t.blamed = true
		return onExec, grace
	case j.spec.FailFast && t.worst.code != 0:
		t.blamed = true
		return onFailFast, grace
	}
	return byItself, 0
}

// stop ends the processes; the first reason is the one that counts. A later
// one can only shorten the grace.
func (j *Job) stop(why ending, grace time.Duration) {
	if j.why != byItself && grace >= j.given {
		return
	}
	if j.why == byItself {
		j.why = why
	}
	j.given = grace
	j.group.Stop(grace)
}
