package lwj

import (
	"github.com/lwjbus/lwjbus/internal/engine"
)

func checkAdvance(in *AdvanceRequest) error {
	ids := make([]uint64, len(in.Items))
	for i := range in.Items {
		ids[i] = in.Items[i].ID
	}
	return checkIDs(ids)
}

// advance makes transitions, each guarded by itself: a refused one changes
// nothing and leaves the others alone.
func (l *layer) advance(tx *engine.Tx, in *AdvanceRequest) (any, error) {
	answer := ItemsAnswer{Results: make([]ItemResult, len(in.Items))}
	for i := range in.Items {
		answer.Results[i] = outcome(l.advanceOne(tx, &in.Items[i]))
	}
	return answer, nil
}

func (l *layer) advanceOne(tx *engine.Tx, in *Advance) (*job, error) {
	j, err := l.load(tx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Epoch == j.ctl.Epoch {
		if final, err := j.final(); err != nil || final {
			return j, onFinal(j, in.To, err)
		}
	}
	if err := j.fence(in.Epoch); err != nil {
		return j, err
	}
	if in.To == Submitted && j.ctl.Cancel != nil {
		// It was to end: nobody else is to begin it again.
		return j, j.enter(Cancelled, &Detail{Reason: j.ctl.Cancel.Reason})
	}
	return j, j.enter(in.To, in.Detail)
}

// onFinal is the refusal of a transition of a job that has ended.
func onFinal(j *job, to State, err error) error {
	if err != nil {
		return err
	}
	return refuse(ErrTransition, "job %d is %s, which is final: it cannot become %s", j.id, j.state.State, to)
}

// Claim gives a submitted job to an owner: it becomes reserved, at the next
// epoch. It is for the procedures of other layers, with the hooks of Layer.
//
// Errors: ErrNoJob, ErrNoOwner, ErrTransition; nothing was written then.
func Claim(tx *engine.Tx, id uint64, o engine.Owner, detail *Detail, hooks ...Hook) (*Control, error) {
	l := &layer{hooks: hooks, machine: DefaultMachine()}
	j, err := l.load(tx, id)
	if err != nil {
		return nil, err
	}
	if !tx.OwnerAlive(o) {
		return nil, refuse(ErrNoOwner, "owner %q (token %d) is not registered, or its lease has ended", o.ID, o.Token)
	}
	if j.ctl.Owner != "" || j.ctl.External || j.state.State != Submitted {
		return nil, refuse(ErrTransition, "job %d is %s: it cannot be claimed", id, j.state.State)
	}
	m, err := l.machineOf(tx, id, j.ctl)
	if err == nil {
		err = m.Check(Submitted, Reserved)
	}
	if err != nil {
		return nil, onJob(id, err)
	}
	j.index(o, false)
	j.ctl.Epoch++
	if err := j.putControl(); err != nil {
		return nil, err
	}
	return j.ctl, j.record(Reserved, detail, false)
}
