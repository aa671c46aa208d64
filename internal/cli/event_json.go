package cli

import "github.com/lwjbus/lwjbus/lwj"

// The shapes of schema job.event.v1: one for each kind, between what all of
// them begin and end with.
type (
	eventHead struct {
		Schema string   `json:"schema"`
		Job    uint64   `json:"job"`
		Kind   lwj.Kind `json:"kind"`
	}
	eventTail struct {
		Revision uint64      `json:"revision"`
		Previous uint64      `json:"previous"`
		Time     string      `json:"time"`
		Clock    uint64      `json:"clock"`
		Epoch    uint64      `json:"epoch"`
		Attempt  uint32      `json:"attempt"`
		Detail   *lwj.Detail `json:"detail"`
	}
	stateEvent struct {
		eventHead
		From *lwj.State `json:"from"` // null for the first
		To   lwj.State  `json:"to"`
		eventTail
		Spec *eventSpec `json:"spec,omitempty"` // with the first
	}
	userEvent struct {
		eventHead
		Name string            `json:"name"`
		Data map[string]string `json:"data"`
		eventTail
	}
	syncEvent struct {
		eventHead
		State lwj.State `json:"state"`
		Hold  string    `json:"hold"`
		Phase string    `json:"phase"`
		eventTail
	}
	actionEvent struct {
		eventHead
		State  lwj.State `json:"state"`
		Action string    `json:"action"`
		Phase  string    `json:"phase"`
		Status *int      `json:"status"` // null when started
		eventTail
	}
	caughtUpEvent struct {
		Schema   string   `json:"schema"`
		Kind     lwj.Kind `json:"kind"`
		Revision uint64   `json:"revision"`
	}
	eventSpec struct {
		Name     string            `json:"name"`
		Command  []string          `json:"command"`
		Tasks    int               `json:"tasks"`
		Labels   map[string]string `json:"labels"`
		Priority int               `json:"priority"`
		Dataset  string            `json:"dataset"`
		Group    string            `json:"group"`
	}
)

const eventSchema = "job.event.v1"

func newEventJSON(ev *lwj.Event) any {
	head := eventHead{eventSchema, ev.Job, ev.Kind}
	tail := newEventTail(ev)
	switch ev.Kind {
	case lwj.KindCaughtUp:
		return caughtUpEvent{eventSchema, ev.Kind, ev.Revision}
	case lwj.KindState:
		e := stateEvent{eventHead: head, To: ev.To, eventTail: tail, Spec: newEventSpec(ev.Spec)}
		if ev.From != "" {
			e.From = &ev.From
		}
		return e
	case lwj.KindSync:
		return syncEvent{head, ev.State, ev.Hold, ev.Phase, tail}
	case lwj.KindAction:
		return actionEvent{head, ev.State, ev.Action, ev.Phase, ev.Status, tail}
	}
	return userEvent{head, ev.Name, orNone(ev.Data), tail}
}

func newEventTail(ev *lwj.Event) eventTail {
	t := eventTail{
		Revision: ev.Revision, Previous: ev.Previous, Time: stamp(ev.Time), Clock: ev.Clock,
		Epoch: ev.Epoch, Attempt: ev.Attempt, Detail: ev.Detail,
	}
	if t.Detail == nil {
		t.Detail = &lwj.Detail{}
	}
	return t
}

func newEventSpec(s *lwj.Spec) *eventSpec {
	if s == nil {
		return nil
	}
	return &eventSpec{s.Name, orEmpty(s.Command), s.Tasks, orNone(s.Labels), s.Priority, s.Dataset, s.Group}
}

// orNone makes nil an empty object in JSON.
func orNone(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
