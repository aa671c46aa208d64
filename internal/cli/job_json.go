package cli

import (
	"github.com/lwjbus/lwjbus/lwj"
)

// jobJSON is schema job.v1.
type jobJSON struct {
	Schema   string            `json:"schema"`
	Job      uint64            `json:"job"`
	Name     string            `json:"name"`
	State    lwj.State         `json:"state"`
	Revision uint64            `json:"revision"`
	Epoch    uint64            `json:"epoch"`
	Attempt  uint32            `json:"attempt"`
	Owner    string            `json:"owner"`
	Command  []string          `json:"command"`
	Tasks    int               `json:"tasks"`
	Labels   map[string]string `json:"labels"`
	Priority int               `json:"priority"`
	Dataset  string            `json:"dataset"`
	Group    string            `json:"group"`
	Holds    []holdJSON        `json:"holds"`
	Waiting  *waitingJSON      `json:"waiting"`
	ExitCode *int              `json:"exit_code"`
	Reason   string            `json:"reason"`
	Host     string            `json:"host"`
	Pids     []int             `json:"pids"`
	Times    map[string]string `json:"times"` // state: when it was entered last
}

type holdJSON struct {
	ID      string    `json:"id"`
	State   lwj.State `json:"state"`
	Owner   string    `json:"owner"`
	Expires *string   `json:"expires"` // null: never
}

type waitingJSON struct {
	State lwj.State `json:"state"`
	Since string    `json:"since"`
}

func newJobJSON(i *lwj.Info) *jobJSON {
	j := &jobJSON{
		Schema: "job.v1", Job: i.ID, Name: i.Spec.Name, State: i.State.State, Revision: i.Revision,
		Epoch: i.Control.Epoch, Attempt: i.Control.Attempt, Owner: i.Control.Owner,
		Command: orEmpty(i.Spec.Command), Tasks: i.Spec.Tasks, Labels: orNone(i.Spec.Labels), Priority: i.Spec.Priority,
		Dataset: i.Spec.Dataset, Group: i.Spec.Group, Holds: []holdJSON{}, Host: i.Host, Pids: orEmpty(i.Pids), Times: map[string]string{},
	}
	if d := i.State.Detail; d != nil {
		j.ExitCode, j.Reason = d.ExitCode, d.Reason
	}
	for _, h := range i.Control.Holds {
		j.Holds = append(j.Holds, newHoldJSON(&h))
	}
	if w := i.Control.Waiting; w != nil {
		j.Waiting = &waitingJSON{w.State, stampNano(w.Since)}
	}
	for _, e := range i.Times {
		j.Times[string(e.State)] = stampNano(e.Time)
	}
	return j
}

func newHoldJSON(h *lwj.Hold) holdJSON {
	j := holdJSON{ID: h.ID, State: h.State, Owner: h.Owner}
	if h.Expires != 0 {
		expires := stampNano(h.Expires)
		j.Expires = &expires
	}
	return j
}

// orEmpty makes nil an empty list in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
