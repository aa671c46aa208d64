package lwj

import (
	"errors"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// job is a job inside one transaction. It is checked first and written last,
// so that a refusal has written nothing.
type job struct {
	l     *layer
	tx    *engine.Tx
	id    uint64
	ctl   *Control
	state *StateRecord
}

// load reads a job.
//
// Errors: ErrNoJob; CodeStore for a record that cannot be read.
func (l *layer) load(tx *engine.Tx, id uint64) (*job, error) {
	ctl, state := tx.Get(Bucket, ctlKey(id)), tx.Get(Bucket, stateKey(id))
	if ctl == nil || state == nil {
		return nil, noJob(id)
	}
	j := &job{l: l, tx: tx, id: id}
	var err error
	if j.ctl, err = decode[Control](ctl); err != nil {
		return nil, err
	}
	if j.state, err = decode[StateRecord](state); err != nil {
		return nil, err
	}
	return j, nil
}

// machineOf is the machine of a job.
func (l *layer) machineOf(r reader, id uint64, ctl *Control) (*Machine, error) {
	if !ctl.Own {
		return l.machine, nil
	}
	spec, err := specOf(r, id)
	if err != nil {
		return nil, err
	}
	return spec.machine(), nil
}

func specOf(r reader, id uint64) (*Spec, error) {
	c := r.Get(Bucket, specKey(id))
	if c == nil {
		return nil, noJob(id)
	}
	return decode[Spec](c)
}

// fence checks that epoch is that of the job's owner, who is alive, or that
// the job is external.
func (j *job) fence(epoch uint64) error {
	c := j.ctl
	switch {
	case epoch != c.Epoch:
		return refuse(ErrFenced, "job %d has epoch %d, not %d: it has another owner", j.id, c.Epoch, epoch)
	case c.External && c.Owner == "":
		return nil
	case c.Owner == "":
		return refuse(ErrFenced, "job %d has no owner", j.id).WithHint("claim it first")
	case !j.tx.OwnerAlive(engine.Owner{ID: c.Owner, Token: c.Token}):
		return refuse(ErrFenced, "the owner %q of job %d is gone: its lease has ended", c.Owner, j.id)
	}
	return nil
}

// enter makes a transition and what follows from it: who owns the job, its
// index key, its attempt.
//
// Errors: ErrTransition; nothing was written then.
func (j *job) enter(to State, detail *Detail) error {
	m, err := j.l.machineOf(j.tx, j.id, j.ctl)
	if err != nil {
		return err
	}
	if err := m.Check(j.state.State, to); err != nil {
		return onJob(j.id, err)
	}
	final := m.Final(to)
	if final || to == Submitted {
		if err := j.disown(to, detail, final); err != nil {
			return err
		}
	}
	if err := j.record(to, detail, final); err != nil || !final {
		return err
	}
	j.endOwned()
	return nil
}

// disown takes the job from its owner: it has ended or waits for another.
func (j *job) disown(to State, detail *Detail, final bool) error {
	if to == Submitted && detail != nil && (detail.Reason == ReasonRetry || detail.Reason == ReasonLost) {
		left, err := j.retryLeft()
		if err != nil {
			return err
		}
		if !left {
			return refuse(ErrTransition, "job %d has had its %d attempts: none is left", j.id, j.ctl.Attempt)
		}
		j.ctl.Attempt++
	}
	j.index(engine.Owner{}, final)
	j.ctl.Waiting = nil
	if final {
		j.ctl.Holds = nil
	}
	return j.putControl()
}

func (j *job) retryLeft() (bool, error) {
	spec, err := specOf(j.tx, j.id)
	if err != nil {
		return false, err
	}
	return int64(j.ctl.Attempt) <= int64(spec.Retries), nil
}

// index moves the index key of the job from its owner to o, or drops it.
func (j *job) index(o engine.Owner, drop bool) {
	from, to := ownKey(j.ctl.Owner, j.id), ownKey(o.ID, j.id)
	if from != to || drop {
		j.tx.Delete(OwnBucket, from, bus.ReasonDeleted)
	}
	if from != to && !drop {
		j.tx.Put(OwnBucket, to, nil)
	}
	j.ctl.Owner, j.ctl.Token = o.ID, o.Token
}

// record writes the new state and tells the other layers.
func (j *job) record(to State, detail *Detail, final bool) error {
	next := &StateRecord{State: to, From: j.state.State, Epoch: j.ctl.Epoch, Attempt: j.ctl.Attempt, Detail: detail}
	value, err := bus.Marshal(next)
	if err != nil {
		return err
	}
	j.tx.Put(Bucket, stateKey(j.id), value)
	from := j.state.State
	j.state = next
	j.l.transitioned(j.tx, &Transition{ID: j.id, From: from, To: to, Final: final, Control: j.ctl, Detail: detail})
	return nil
}

func (l *layer) transitioned(tx *engine.Tx, t *Transition) {
	for _, fn := range l.hooks {
		fn(tx, t)
	}
}

// putControl writes the control record, owned by the job's owner: its single
// event goes to that one.
func (j *job) putControl() error {
	value, err := bus.Marshal(j.ctl)
	if err == nil {
		j.tx.PutOwned(Bucket, ctlKey(j.id), value, engine.Owner{ID: j.ctl.Owner, Token: j.ctl.Token})
	}
	return err
}

// final reports whether the job is in a final state.
func (j *job) final() (bool, error) {
	m, err := j.l.machineOf(j.tx, j.id, j.ctl)
	return err == nil && m.Final(j.state.State), err
}

// onJob names the job in a refusal of its machine.
func onJob(id uint64, err error) error {
	e := asBusError(err)
	c := *e
	c.Message = "job " + uitoa(id) + ": " + c.Message
	return &c
}

func asBusError(err error) *bus.Error {
	var e *bus.Error
	if errors.As(err, &e) {
		return e
	}
	return bus.NewError(bus.CodeInternal, "%v", err)
}
