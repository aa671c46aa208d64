package lwj

import (
	"slices"
	"strings"
)

// Bounds of a machine.
const (
	MaxStates = 64
	MaxEdges  = 1024
)

// Edge is a transition that a machine allows.
type Edge struct {
	_msgpack struct{} `msgpack:",as_array"`
	From, To State
}

// Machine is what states a job may have and which may follow which, as data.
// The host checks every transition against the machine of its job. A machine
// is not modified after it was validated, so it may be shared.
type Machine struct {
	States  []State `msgpack:"s"`
	Initial []State `msgpack:"i"` // states a job may begin with
	Edges   []Edge  `msgpack:"e"`
}

// DefaultMachine returns the machine of every job that brings no other.
func DefaultMachine() *Machine {
	m := &Machine{
		States:  []State{Submitted, Reserved, Starting, Running, Complete, Failed, Cancelled},
		Initial: []State{Submitted, Reserved},
	}
	m.allow(Submitted, Reserved, Cancelled)
	m.allow(Reserved, Starting, Submitted, Failed, Cancelled)
	m.allow(Starting, Running, Submitted, Failed, Cancelled)
	m.allow(Running, Complete, Submitted, Failed, Cancelled)
	return m
}

func (m *Machine) allow(from State, to ...State) {
	for _, t := range to {
		m.Edges = append(m.Edges, Edge{From: from, To: t})
	}
}

// Has reports whether s is one of the machine's states.
func (m *Machine) Has(s State) bool { return slices.Contains(m.States, s) }

// Begins reports whether a job may begin in s.
func (m *Machine) Begins(s State) bool { return slices.Contains(m.Initial, s) }

// Final reports whether nothing follows s.
func (m *Machine) Final(s State) bool {
	return !slices.ContainsFunc(m.Edges, func(e Edge) bool { return e.From == s })
}

// Check says whether a job may go from from to to. An empty from is a job that
// begins.
//
// Errors: ErrTransition.
func (m *Machine) Check(from, to State) error {
	switch {
	case from == "" && m.Begins(to), slices.ContainsFunc(m.Edges, func(e Edge) bool { return e.From == from && e.To == to }):
		return nil
	case !m.Has(to):
		return refuse(ErrTransition, "no state is called %q", to).WithHint("the states are %s", join(m.States))
	case from == "":
		return refuse(ErrTransition, "a job cannot begin as %s", to).WithHint("it begins as %s", join(m.Initial))
	case m.Final(from):
		return refuse(ErrTransition, "the job is %s, which is final: it cannot become %s", from, to)
	}
	return refuse(ErrTransition, "the job is %s: it cannot become %s", from, to).WithHint("from %s it can become %s", from, join(m.After(from)))
}

// After returns the states that may follow s.
func (m *Machine) After(s State) []State {
	var out []State
	for _, e := range m.Edges {
		if e.From == s {
			out = append(out, e.To)
		}
	}
	return out
}

// CanReach reports whether a job in from may ever enter to, a state or
// AnyFinal. To be in a state is not to enter it.
func (m *Machine) CanReach(from, to State) bool {
	return m.reach([]State{from}, to, "")
}

// MustHavePassed reports whether no job can be in s without having been in
// before.
func (m *Machine) MustHavePassed(s, before State) bool {
	if s == before {
		return true
	}
	begins := slices.DeleteFunc(slices.Clone(m.Initial), func(i State) bool { return i == before })
	return !slices.Contains(begins, s) && !m.reach(begins, s, before)
}

// reach reports whether an edge leads to target, by way of any state but shut.
func (m *Machine) reach(from []State, target, shut State) bool {
	seen := map[State]bool{}
	for todo := from; len(todo) > 0; {
		s := todo[0]
		todo = todo[1:]
		for _, next := range m.After(s) {
			if next == target || target == AnyFinal && m.Final(next) {
				return true
			}
			if !seen[next] && next != shut {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return false
}

// Validate checks a machine that was loaded from data: names of states, edges
// between known states, an initial state, no final state to begin with, and a
// way from each state to a final one.
//
// Errors: CodeUsage.
func (m *Machine) Validate() error {
	if len(m.States) == 0 || len(m.States) > MaxStates || len(m.Edges) > MaxEdges {
		return usage("a machine has 1 to %d states and at most %d edges, not %d and %d", MaxStates, MaxEdges, len(m.States), len(m.Edges))
	}
	for i, s := range m.States {
		if !stateName.MatchString(string(s)) || s == AnyFinal {
			return usage("%q cannot name a state", s).WithHint("a state is called by 1 to %d of a-z 0-9 -, a letter first, and not %q", MaxStateName, AnyFinal)
		}
		if slices.Contains(m.States[:i], s) {
			return usage("the state %s is listed twice", s)
		}
	}
	for _, e := range m.Edges {
		if !m.Has(e.From) || !m.Has(e.To) {
			return usage("the edge from %q to %q has an end that is no state of the machine", e.From, e.To)
		}
	}
	return m.validateEnds()
}

func (m *Machine) validateEnds() error {
	if len(m.Initial) == 0 {
		return usage("the machine has no state to begin with")
	}
	for _, s := range m.Initial {
		if !m.Has(s) || m.Final(s) {
			return usage("a job cannot begin as %q: it is no state of the machine, or a final one", s)
		}
	}
	for _, s := range m.States {
		if !m.Final(s) && !m.CanReach(s, AnyFinal) {
			return usage("from the state %s no final state can be reached", s)
		}
	}
	return nil
}

func join(states []State) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
