package lwj

import (
	"time"

	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of a cancel and a signal.
const (
	DefaultGrace = 5 * time.Second
	MaxGrace     = 24 * time.Hour
	maxSignal    = 64
)

func checkCancel(in *CancelRequest) error {
	if in.Grace < 0 || in.Grace > int64(MaxGrace) {
		return usage("the grace %v is outside 0 to %v", time.Duration(in.Grace), MaxGrace)
	}
	if in.Reason == "" {
		in.Reason = ReasonUser
	}
	if err := checkText("reason", in.Reason); err != nil {
		return err
	}
	return checkIDs(in.IDs)
}

// cancel ends jobs: one without an owner at once, one with an owner by asking it.
func (l *layer) cancel(tx *engine.Tx, in *CancelRequest) (any, error) {
	return each(in.IDs, func(id uint64) (*job, error) { return l.cancelOne(tx, id, in) }), nil
}

func each(ids []uint64, do func(id uint64) (*job, error)) ItemsAnswer {
	answer := ItemsAnswer{Results: make([]ItemResult, len(ids))}
	for i, id := range ids {
		answer.Results[i] = outcome(do(id))
	}
	return answer
}

func (l *layer) cancelOne(tx *engine.Tx, id uint64, in *CancelRequest) (*job, error) {
	j, err := l.loadActive(tx, id)
	if err != nil {
		return j, err
	}
	before := j.ctl.Cancel
	want := Cancel{Reason: in.Reason, Grace: time.Duration(in.Grace), User: tx.User(), Revision: tx.Revision()}
	if j.ctl.Owner != "" && before != nil && before.Reason == want.Reason && before.Grace == want.Grace {
		return j, nil // asked for already
	}
	j.ctl.Cancel = &want
	if j.ctl.Owner != "" {
		return j, j.putControl()
	}
	return j, j.enter(Cancelled, &Detail{Reason: in.Reason})
}

// loadActive reads a job that is not in a final state.
//
// Errors: ErrNoJob, ErrTooLate.
func (l *layer) loadActive(tx *engine.Tx, id uint64) (*job, error) {
	j, err := l.load(tx, id)
	if err != nil {
		return nil, err
	}
	final, err := j.final()
	if err == nil && final {
		err = refuse(ErrTooLate, "job %d is %s already", id, j.state.State)
	}
	return j, err
}

func checkSignal(in *SignalRequest) error {
	if in.Number < 1 || in.Number > maxSignal {
		return usage("there is no signal %d", in.Number)
	}
	return checkIDs(in.IDs)
}

// signal asks the owners of jobs to send a signal.
func (l *layer) signal(tx *engine.Tx, in *SignalRequest) (any, error) {
	return each(in.IDs, func(id uint64) (*job, error) { return l.signalOne(tx, id, in.Number) }), nil
}

func (l *layer) signalOne(tx *engine.Tx, id uint64, number int) (*job, error) {
	j, err := l.loadActive(tx, id)
	if err != nil {
		return j, err
	}
	if j.ctl.Owner == "" {
		return j, refuse(ErrTransition, "job %d is %s: it has no processes to send a signal to", id, j.state.State)
	}
	next := Signal{Seq: 1, Number: number, User: tx.User()}
	if n := len(j.ctl.Signals); n > 0 {
		next.Seq = j.ctl.Signals[n-1].Seq + 1
	}
	j.ctl.Signals = append(j.ctl.Signals, next)
	j.ctl.Signals = j.ctl.Signals[max(0, len(j.ctl.Signals)-MaxSignals):]
	return j, j.putControl()
}
