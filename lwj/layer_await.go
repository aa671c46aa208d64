package lwj

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// MaxAwait is how many jobs one request waits for.
const MaxAwait = 1024

func checkAwait(in *AwaitRequest) error {
	if n := len(in.IDs); n == 0 || n > MaxAwait {
		return usage("a wait is for 1 to %d jobs, not %d", MaxAwait, n)
	}
	if !stateName.MatchString(string(in.Target)) {
		return usage("%q cannot name a state", in.Target)
	}
	return nil
}

// await answers when all jobs, or any, have been in a state, or when that can
// no longer come, or ctx has ended.
func (l *layer) await(ctx context.Context, v *engine.View, in *AwaitRequest) (any, error) {
	answer := AwaitAnswer{Jobs: make([]Waited, len(in.IDs))}
	for {
		open, err := l.look(v, in, &answer)
		if err != nil || answer.Done {
			return answer, err
		}
		if v, err = awaitChange(ctx, v, open, in.Any); err != nil {
			if ctx.Err() != nil {
				return answer, nil
			}
			return nil, err
		}
	}
}

// look sees how the jobs stand and returns those whose wait goes on.
func (l *layer) look(v *engine.View, in *AwaitRequest, answer *AwaitAnswer) (open []*Waited, err error) {
	for i, id := range in.IDs {
		w := &answer.Jobs[i]
		if w.settled() {
			continue
		}
		if err := l.lookOne(v, id, in.Target, w); err != nil {
			return nil, err
		}
		if !w.settled() {
			open = append(open, w)
		}
	}
	reached, never := answer.count()
	answer.Done = len(open) == 0 || in.Any && reached > 0 || !in.Any && never > 0
	return open, nil
}

func (w *Waited) settled() bool { return w.Reached || w.Never }

func (a *AwaitAnswer) count() (reached, never int) {
	for i := range a.Jobs {
		if a.Jobs[i].Reached {
			reached++
		}
		if a.Jobs[i].Never {
			never++
		}
	}
	return reached, never
}

// lookOne sees how one job stands. A state counts when it has ever been: the
// kept transitions tell, and behind them the machine, where no other way leads
// to what the job is.
func (l *layer) lookOne(v *engine.View, id uint64, target State, w *Waited) error {
	c, ctl := v.Get(Bucket, stateKey(id)), v.Get(Bucket, ctlKey(id))
	if c == nil || ctl == nil {
		return noJob(id)
	}
	state, err := decode[StateRecord](c)
	if err != nil {
		return err
	}
	control, err := decode[Control](ctl)
	if err != nil {
		return err
	}
	m, err := l.machineOf(v, id, control)
	if err != nil {
		return err
	}
	if target != AnyFinal && !m.Has(target) {
		return usage("job %d has no state %q", id, target).WithHint("its states are %s", join(m.States))
	}
	*w = Waited{ID: id, Revision: c.Revision, State: *state}
	w.Reached = has(m, v.History(Bucket, stateKey(id)), target)
	w.Never = !w.Reached && !m.CanReach(state.State, target)
	return nil
}

// has reports whether target is among the states of a job's history.
func has(m *Machine, history []*bus.Change, target State) bool {
	for i, c := range history {
		r, err := decode[StateRecord](c)
		if c.Op != bus.OpPut || err != nil {
			continue
		}
		if r.State == target || target == AnyFinal && m.Final(r.State) {
			return true
		}
		if i == 0 && c.Previous != 0 && target != AnyFinal && m.MustHavePassed(r.State, target) {
			return true
		}
	}
	return false
}

// awaitChange returns a view in which one of the jobs has changed: the first
// of them, or whichever is first if any counts.
func awaitChange(ctx context.Context, v *engine.View, open []*Waited, any bool) (*engine.View, error) {
	if !any || len(open) == 1 {
		return v.Await(ctx, Bucket, stateKey(open[0].ID), open[0].Revision)
	}
	type news struct {
		v   *engine.View
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	first := make(chan news, len(open))
	for _, w := range open {
		go func() { // ends with ctx; its news are taken below
			v, err := v.Await(ctx, Bucket, stateKey(w.ID), w.Revision)
			first <- news{v, err}
		}()
	}
	n := <-first
	cancel()
	for range len(open) - 1 {
		<-first
	}
	return n.v, n.err
}
