package lwj

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

func TestDefaultMachine(t *testing.T) {
	t.Parallel()
	want := map[State][]State{
		"":        {Submitted, Reserved},
		Submitted: {Reserved, Cancelled},
		Reserved:  {Starting, Submitted, Failed, Cancelled},
		Starting:  {Running, Submitted, Failed, Cancelled},
		Running:   {Complete, Submitted, Failed, Cancelled},
	}
	m := DefaultMachine()
	must(t, m.Validate())
	for _, from := range append([]State{""}, m.States...) {
		for _, to := range append([]State{"paused"}, m.States...) {
			err := m.Check(from, to)
			if want := slices.Contains(want[from], to); want != (err == nil) {
				t.Errorf("%q to %q: want allowed %v, got %v", from, to, want, err)
			}
			if err != nil && !errors.Is(err, ErrTransition) {
				t.Errorf("%q to %q: want ErrTransition, got %v", from, to, err)
			}
		}
		wantEqual(t, string(from)+" is final", from.Final(), from != "" && m.Final(from))
	}
}

func TestMachineWays(t *testing.T) {
	t.Parallel()
	m := DefaultMachine()
	for _, c := range []struct {
		from, to State
		can      bool
	}{
		{Submitted, Running, true}, {Running, Starting, true}, {Running, AnyFinal, true},
		{Complete, Running, false}, {Cancelled, AnyFinal, false}, {Submitted, "paused", false},
	} {
		wantEqual(t, string(c.from+" can reach "+c.to), c.can, m.CanReach(c.from, c.to))
	}
	for _, c := range []struct {
		s, before State
		must      bool
	}{
		{Complete, Running, true}, {Complete, Starting, true}, {Complete, Submitted, false}, {Complete, Reserved, true},
		{Failed, Running, false}, {Cancelled, Reserved, false}, {Running, Running, true},
	} {
		wantEqual(t, string(c.s+" after "+c.before), c.must, m.MustHavePassed(c.s, c.before))
	}
}

func TestMachineValidate(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*Machine{
		"empty":        {},
		"bad name":     {States: []State{"A"}, Initial: []State{"A"}},
		"final":        {States: []State{"a", AnyFinal}, Initial: []State{"a"}, Edges: []Edge{{From: "a", To: AnyFinal}}},
		"twice":        {States: []State{"a", "b", "a"}, Initial: []State{"a"}, Edges: []Edge{{From: "a", To: "b"}}},
		"unknown edge": {States: []State{"a", "b"}, Initial: []State{"a"}, Edges: []Edge{{From: "a", To: "c"}}},
		"no initial":   {States: []State{"a", "b"}, Edges: []Edge{{From: "a", To: "b"}}},
		"begins final": {States: []State{"a", "b"}, Initial: []State{"b"}, Edges: []Edge{{From: "a", To: "b"}}},
		"no end":       {States: []State{"a", "b"}, Initial: []State{"a"}, Edges: []Edge{{From: "a", To: "b"}, {From: "b", To: "a"}}},
	} {
		err := m.Validate()
		if bus.CodeOf(err) != bus.CodeUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want a usage error of one line, got %v", name, err)
		}
	}
}

func TestParseState(t *testing.T) {
	t.Parallel()
	s, err := ParseState("running")
	must(t, err)
	wantEqual(t, "state", Running, s)
	_, err = ParseState("runing")
	wantCode(t, bus.CodeUsage, err)
}
