package lwj

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
)

// modelJob is what the model knows of a job.
type modelJob struct {
	state   State
	owner   string
	epoch   uint64
	attempt uint32
	retries int
	cancel  bool
}

// model is jobs as they should be, in the plainest way.
type model struct {
	h      *testHost
	jobs   map[uint64]*modelJob
	owners map[string]uint64
}

var allStates = DefaultMachine().States

func (m *model) submit(t *rapid.T) {
	spec := NewSpec("true")
	spec.Retries = rapid.IntRange(0, 2).Draw(t, "retries")
	owner := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "owner")
	token, alive := m.owners[owner]
	var opts []SubmitOption
	if owner != "" {
		opts = append(opts, Start(owner, token))
	}
	id, err := m.h.client.Submit(testContext(m.h.t), spec, opts...)
	if owner != "" && !alive {
		wantCode(m.h.t, bus.CodeNoOwner, err)
		return
	}
	must(m.h.t, err)
	if want := uint64(len(m.jobs) + 1); id != want {
		t.Fatalf("want id %d, got %d", want, id)
	}
	j := &modelJob{state: Submitted, attempt: 1, retries: spec.Retries}
	if owner != "" {
		j.state, j.owner, j.epoch = Reserved, owner, 1
	}
	m.jobs[id] = j
}

func (m *model) pick(t *rapid.T) (uint64, *modelJob) {
	id := rapid.Uint64Range(1, uint64(len(m.jobs)+1)).Draw(t, "job")
	return id, m.jobs[id]
}

func (m *model) advance(t *rapid.T) {
	id, j := m.pick(t)
	to := rapid.SampledFrom(allStates).Draw(t, "to")
	epoch := rapid.Uint64Range(0, 3).Draw(t, "epoch")
	reason := rapid.SampledFrom([]string{"", ReasonRetry, ReasonReturned}).Draw(t, "reason")
	err := m.h.client.AdvanceOne(testContext(m.h.t), id, to, epoch, &Detail{Reason: reason})
	want := m.mayAdvance(j, to, epoch, reason)
	if bus.CodeOf(err) != want {
		t.Fatalf("job %d %+v to %s at %d (%s): want %q, got %v", id, j, to, epoch, reason, want, err)
	}
	if err != nil {
		return
	}
	if to == Submitted && j.cancel {
		to = Cancelled
	}
	if j.state = to; to == Submitted && reason == ReasonRetry {
		j.attempt++
	}
	if to == Submitted || to.Final() {
		j.owner = ""
	}
}

func (m *model) mayAdvance(j *modelJob, to State, epoch uint64, reason string) bus.Code {
	switch {
	case j == nil:
		return bus.CodeNotFound
	case epoch != j.epoch:
		return bus.CodeFenced
	case j.state.Final():
		return bus.CodeTransition
	case j.owner == "":
		return bus.CodeFenced
	case DefaultMachine().Check(j.state, to) != nil:
		return bus.CodeTransition
	case to == Submitted && !j.cancel && reason == ReasonRetry && int(j.attempt) > j.retries:
		return bus.CodeTransition
	}
	return ""
}

func (m *model) claim(t *rapid.T) {
	id, j := m.pick(t)
	owner := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")
	token, alive := m.owners[owner]
	_, err := m.h.claim(id, owner, token)
	want := bus.Code("")
	switch {
	case j == nil:
		want = bus.CodeNotFound
	case !alive:
		want = bus.CodeNoOwner
	case j.state != Submitted:
		want = bus.CodeTransition
	}
	if bus.CodeOf(err) != want {
		t.Fatalf("claim of job %d %+v: want %q, got %v", id, j, want, err)
	}
	if err == nil {
		j.state, j.owner = Reserved, owner
		j.epoch++
	}
}

func (m *model) cancel(t *rapid.T) {
	id, j := m.pick(t)
	err := one(m.h.client.Cancel(testContext(m.h.t), 0, id))
	switch {
	case j == nil:
		wantCode(m.h.t, bus.CodeNotFound, err)
	case j.state.Final():
		wantCode(m.h.t, bus.CodeTooLate, err)
	case j.owner != "":
		must(m.h.t, err)
		j.cancel = true
	default:
		must(m.h.t, err)
		j.state = Cancelled
	}
}

// turn registers an owner, or ends it.
func (m *model) turn(t *rapid.T) {
	owner := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")
	token, alive := m.owners[owner]
	if !alive {
		m.owners[owner] = m.h.owner(owner)
		return
	}
	m.h.endOwner(owner, token)
	delete(m.owners, owner)
	for _, j := range m.jobs {
		if j.owner != owner {
			continue
		}
		j.owner = ""
		switch {
		case j.cancel:
			j.state = Cancelled
		case int(j.attempt) <= j.retries && DefaultMachine().Check(j.state, Submitted) == nil:
			j.state = Submitted
			j.attempt++
		default:
			j.state = Failed
		}
	}
}

// check compares every job with the model, and checks the replay law.
func (m *model) check(t *rapid.T) {
	for id, want := range m.jobs {
		got := m.h.show(id)
		a := fmt.Sprint(want.state, want.owner, want.epoch, want.attempt)
		if b := fmt.Sprint(got.State.State, got.Control.Owner, got.Control.Epoch, got.Control.Attempt); a != b {
			t.Fatalf("job %d: want %s, got %s", id, a, b)
		}
	}
	if err := CheckReplay(m.h.engine.Snapshot()); err != nil {
		t.Fatal(err)
	}
}

// TestModel: random submits, claims, transitions, cancels and ends of owners
// do to the host's jobs what they do to the model's.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHost(t)
		m := &model{h: h, jobs: map[uint64]*modelJob{}, owners: map[string]uint64{}}
		rt.Repeat(map[string]func(*rapid.T){
			"submit": m.submit, "advance": m.advance, "claim": m.claim, "cancel": m.cancel, "owner": m.turn, "": m.check,
		})
	})
}
