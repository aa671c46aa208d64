package lwj

import (
	"errors"
	"fmt"
)

// errReplay is what a broken replay law is.
var errReplay = errors.New("lwj: the log of a job does not replay")

// Fold replays transitions of one job, in their order, through its machine and
// returns the state after them. Events of other kinds are passed over. The
// first one may be any of the job's transitions: what came before it is
// believed.
//
// Errors: which law is broken: every transition begins where the one before it
// ended, is an edge of the machine and names the revision before it; epochs
// and attempts never fall.
func Fold(m *Machine, events []*Event) (State, error) {
	var last *Event
	for _, ev := range events {
		if ev.Kind != KindState {
			continue
		}
		if err := follows(m, last, ev); err != nil {
			return "", fmt.Errorf("%w: job %d at revision %d: %w", errReplay, ev.Job, ev.Revision, err)
		}
		last = ev
	}
	if last == nil {
		return "", nil
	}
	return last.To, nil
}

// follows checks one transition against the one before it, if that is known.
func follows(m *Machine, last, ev *Event) error {
	if err := m.Check(ev.From, ev.To); err != nil {
		return err
	}
	if last == nil {
		if (ev.Previous == 0) != (ev.From == "") {
			return fmt.Errorf("previous revision %d with the state before it %q", ev.Previous, ev.From)
		}
		return nil
	}
	switch {
	case ev.From != last.To:
		return fmt.Errorf("it begins in %s, the one before ended in %s", ev.From, last.To)
	case ev.Previous != last.Revision || ev.Revision <= last.Revision:
		return fmt.Errorf("it follows revision %d, the one before has %d", ev.Previous, last.Revision)
	case ev.Epoch < last.Epoch || ev.Attempt < last.Attempt:
		return fmt.Errorf("epoch %d and attempt %d after %d and %d", ev.Epoch, ev.Attempt, last.Epoch, last.Attempt)
	}
	return nil
}
