package lwj

import (
	"errors"
	"fmt"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// CheckReplay checks every job of a snapshot: Fold of its kept transitions is
// its state, its control record agrees with it, and the index of active jobs
// has it exactly when it is active. It is for tests, after every test.
//
// Errors: all that is wrong, joined.
func CheckReplay(s *engine.Snapshot) error {
	var errs []error
	active := map[string]bool{}
	s.Range(OwnBucket, "", nil, func(c *bus.Change) bool {
		active[c.Key] = true
		return true
	})
	s.Range(Bucket, "", nil, func(c *bus.Change) bool {
		if id, part, ok := parseKey(c.Key); ok && part == partState {
			errs = append(errs, checkJob(s, id, active))
		}
		return true
	})
	for key := range active {
		errs = append(errs, fmt.Errorf("lwj: the index key %q belongs to no active job", key))
	}
	return errors.Join(errs...)
}

// checkJob checks one job and takes its key out of active.
func checkJob(s *engine.Snapshot, id uint64, active map[string]bool) error {
	spec, err := specOf(s, id)
	if err != nil {
		return err
	}
	events, err := transitions(s, id)
	if err != nil {
		return err
	}
	state, err := Fold(spec.machine(), events)
	if err != nil {
		return err
	}
	return checkControl(s, id, spec.machine().Final(state), events[len(events)-1], active)
}

// transitions are the kept transitions of a job, since it was last made.
func transitions(s *engine.Snapshot, id uint64) (out []*Event, err error) {
	for _, c := range s.History(Bucket, stateKey(id)) {
		ev, err := newEvent(c)
		if err != nil {
			return nil, err
		}
		if ev != nil {
			out = append(out, ev)
		}
	}
	return out, nil
}

func checkControl(s *engine.Snapshot, id uint64, final bool, last *Event, active map[string]bool) error {
	c := s.Get(Bucket, ctlKey(id))
	if c == nil {
		return fmt.Errorf("lwj: job %d has no control record", id)
	}
	ctl, err := decode[Control](c)
	if err != nil {
		return err
	}
	key := ownKey(ctl.Owner, id)
	indexed := active[key]
	delete(active, key)
	switch {
	case indexed == final:
		return fmt.Errorf("lwj: job %d is %s, and its index key is there: %v", id, last.To, indexed)
	case final && ctl.Owner != "":
		return fmt.Errorf("lwj: job %d is %s and owned by %q", id, last.To, ctl.Owner)
	case ctl.Owner != c.Owner || ctl.Token != c.Token:
		return fmt.Errorf("lwj: the control record of job %d names owner %q, its change %q", id, ctl.Owner, c.Owner)
	case last.Epoch > ctl.Epoch || last.Attempt > ctl.Attempt:
		return fmt.Errorf("lwj: job %d has epoch %d, its last transition %d", id, ctl.Epoch, last.Epoch)
	}
	return nil
}
