package lwj

import (
	"sort"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// maxForgotten is how many keys one request forgets.
const maxForgotten = 16_384

func checkPost(in *PostRequest) error {
	switch in.Event.Kind {
	case KindEvent:
		if in.Event.Name == "" {
			return usage("an event has a name")
		}
	case KindSync, KindAction:
		if in.Epoch == 0 {
			return usage("only the owner of a job tells of its %s events: the epoch is missing", in.Event.Kind)
		}
	default:
		return usage("no event can be posted as kind %q", in.Event.Kind)
	}
	if err := checkText("name", in.Event.Name); err != nil {
		return err
	}
	b, err := bus.Marshal(&in.Event)
	if err == nil && len(b) > MaxEventData {
		err = refuse(ErrTooLarge, "the event has %d bytes; at most %d are stored", len(b), MaxEventData)
	}
	return err
}

// post adds an event to the log of a job, which may have ended.
func (l *layer) post(tx *engine.Tx, in *PostRequest) (any, error) {
	j, err := l.load(tx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Epoch != 0 {
		if err := j.fence(in.Epoch); err != nil {
			return nil, err
		}
	}
	n := lastEvent(tx, in.ID) + 1
	if n > MaxEvents {
		return nil, refuse(ErrTooLarge, "job %d has its %d events: no more are stored", in.ID, MaxEvents)
	}
	ev := in.Event
	ev.User, ev.Epoch, ev.Attempt = tx.User(), j.ctl.Epoch, j.ctl.Attempt
	value, err := bus.Marshal(&ev)
	if err != nil {
		return nil, err
	}
	tx.Put(Bucket, eventKey(in.ID, n), value)
	return PostAnswer{Number: n}, nil
}

// lastEvent is the number of the job's newest event, 0 before the first.
// Numbers have no gaps, so a few looks find it, and no counter is kept.
func lastEvent(r reader, id uint64) uint64 {
	has := func(n int) bool { return r.Get(Bucket, eventKey(id, uint64(n))) != nil }
	bound := 1
	for has(bound) {
		bound *= 2
	}
	return uint64(sort.Search(bound, func(i int) bool { return !has(i + 1) }))
}

func checkForget(in *ForgetRequest) error { return checkIDs(in.IDs) }

// forget removes jobs in a final state.
func (l *layer) forget(tx *engine.Tx, in *ForgetRequest) (any, error) {
	left := maxForgotten
	return each(in.IDs, func(id uint64) (*job, error) { return l.forgetOne(tx, id, &left) }), nil
}

func (l *layer) forgetOne(tx *engine.Tx, id uint64, left *int) (*job, error) {
	j, err := l.load(tx, id)
	if err != nil {
		return nil, err
	}
	if final, err := j.final(); err != nil || !final {
		return j, onActive(j, err)
	}
	if *left <= 0 {
		return j, refuse(bus.ErrOverloaded, "the request removes too much at a time").WithHint("ask again for the rest")
	}
	spec, err := specOf(tx, id)
	if err != nil {
		return j, err
	}
	if knownByDedup(tx, spec) == id {
		tx.Delete(DedupBucket, spec.Dedup, bus.ReasonCollected)
	}
	events := lastEvent(tx, id)
	for n := events; n > 0; n-- {
		tx.Delete(Bucket, eventKey(id, n), bus.ReasonCollected)
	}
	for _, key := range [...]string{specKey(id), ctlKey(id), stateKey(id)} {
		tx.Delete(Bucket, key, bus.ReasonCollected)
	}
	*left -= int(events) + 3
	return j, nil
}

func onActive(j *job, err error) error {
	if err != nil {
		return err
	}
	return refuse(ErrTransition, "job %d is %s: only a job in a final state can be forgotten", j.id, j.state.State).
		WithHint("cancel it first")
}
