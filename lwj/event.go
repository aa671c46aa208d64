package lwj

import (
	"context"
	"strings"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Event is what happened to a job, or the mark that a monitor has caught up.
// Fields that a kind does not use are zero.
type Event struct {
	Job      uint64
	Kind     Kind
	From, To State // KindState; From is empty for the first

	Name   string            // KindEvent
	Data   map[string]string // KindEvent
	State  State             // KindSync, KindAction
	Hold   string            // KindSync
	Action string            // KindAction
	Phase  string            // KindSync: reached, released, expired; KindAction: started, finished
	Status *int              // KindAction, finished
	User   string            // who posted it; not KindState

	Revision uint64    // of the transaction; for the mark: everything up to it has been told
	Previous uint64    // revision of the change before it of the same key, 0 for the first
	Time     time.Time // wall time, for people
	Clock    uint64    // Lamport clock of the writer
	Epoch    uint64
	Attempt  uint32
	Detail   *Detail
	Spec     *Spec // with the first transition of a job
	CaughtUp bool  // KindCaughtUp

	client *Client
}

// Snapshot returns the event's job as it was at the event's revision,
// whatever has happened since: there is no drift between what is told and what
// is read (TestEventSnapshot). For other keys see kvbucket.At.
//
// Errors: bus.ErrCompacted when that is no longer known; those of bus.Conn.Call.
func (e *Event) Snapshot(ctx context.Context) (*Info, error) {
	return e.client.ShowAt(ctx, e.Job, e.Revision)
}

// newEvent makes an event of a change of bucket lwj; nil for one that is none.
//
// Errors: CodeStore for a record that cannot be read.
func newEvent(c *bus.Change) (*Event, error) {
	id, part, ok := parseKey(c.Key)
	if !ok || c.Op != bus.OpPut {
		return nil, nil
	}
	ev := &Event{Job: id, Revision: c.Revision, Previous: c.Previous, Time: time.Unix(0, c.Time).UTC(), Clock: c.Clock}
	switch {
	case part == partState:
		return ev, ev.transition(c)
	case strings.HasPrefix(part, partEvent):
		return ev, ev.posted(c)
	}
	return nil, nil
}

func (e *Event) transition(c *bus.Change) error {
	r, err := decode[StateRecord](c)
	if err != nil {
		return err
	}
	e.Kind, e.From, e.To = KindState, r.From, r.State
	e.Epoch, e.Attempt, e.Detail = r.Epoch, r.Attempt, r.Detail
	return nil
}

func (e *Event) posted(c *bus.Change) error {
	r, err := decode[EventRecord](c)
	if err != nil {
		return err
	}
	e.Kind, e.Name, e.Data, e.State, e.Hold = r.Kind, r.Name, r.Data, r.State, r.Hold
	e.Action, e.Phase, e.Status, e.User = r.Action, r.Phase, r.Status, r.User
	e.Epoch, e.Attempt, e.Detail = r.Epoch, r.Attempt, r.Detail
	return nil
}
