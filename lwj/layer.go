package lwj

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Hook is told of every transition, in its transaction and after it was
// written: it is how another layer keeps an index of jobs. It must be
// deterministic.
type Hook func(tx *engine.Tx, t *Transition)

// Transition is a transition that is being made.
type Transition struct {
	ID       uint64
	From, To State // From is empty for a job that begins
	Final    bool
	Control  *Control // after it; not to be modified
	Detail   *Detail
}

// Layer returns the procedures and reads of jobs, for the engine of a host.
func Layer(hooks ...Hook) engine.Layer {
	l := &layer{hooks: hooks, machine: DefaultMachine()}
	return engine.Layer{
		Name: "lwj",
		Buckets: []engine.Bucket{
			{Name: Bucket, History: History, ReadOnly: true, Settles: true},
			{Name: OwnBucket, History: 1, Transient: true, ReadOnly: true},
			{Name: DedupBucket, History: 1, Transient: true, ReadOnly: true},
		},
		Subject:    subject,
		Procedures: l.procedures(),
		Reads: []engine.Read{
			engine.ReadOf(VerbShow, checkShow, l.show),
			engine.ReadOf(VerbList, checkList, l.list),
			engine.WaitOf(VerbAwait, checkAwait, l.await),
			engine.ReadOf(VerbReplay, checkReplayRequest, replay),
			engine.ReadOf(VerbOwned, nil, owned),
		},
		OwnerEnded: l.ownerEnded,
		Owner:      l.owner,
	}
}

// layer is the host's side of jobs. It has no state of its own.
type layer struct {
	hooks   []Hook
	machine *Machine
}

func (l *layer) procedures() []engine.Procedure {
	// Whatever may end or free something may use the reserve of the quota.
	advance := engine.Write(VerbAdvance, checkAdvance, l.advance)
	cancel := engine.Write(VerbCancel, checkCancel, l.cancel)
	forget := engine.Write(VerbForget, checkForget, l.forget)
	advance.Reserve, cancel.Reserve, forget.Reserve = true, true, true
	return []engine.Procedure{
		advance, cancel, forget,
		engine.Write(VerbSubmit, checkSubmit, l.submit),
		engine.Write(VerbSignal, checkSignal, l.signal),
		engine.Write(VerbPost, checkPost, l.post),
	}
}

// reader is what a Tx and a View have in common.
type reader interface {
	Get(bucket, key string) *bus.Change
}

// checkIDs refuses too many ids, and an id twice: one transaction changes a
// job once.
func checkIDs(ids []uint64) error {
	if len(ids) > MaxItems {
		return refuse(ErrTooLarge, "the request is about %d jobs; at most %d at a time", len(ids), MaxItems).WithHint("split it")
	}
	seen := make(map[uint64]struct{}, len(ids))
	for _, id := range ids {
		if _, twice := seen[id]; twice {
			return usage("job %d is named twice in one request", id)
		}
		seen[id] = struct{}{}
	}
	return nil
}

// outcome makes a result of what became of one item.
func outcome(j *job, err error) ItemResult {
	var r ItemResult
	if j != nil {
		r.State = j.state.State
	}
	if err != nil {
		r.Error = asBusError(err)
	}
	return r
}
