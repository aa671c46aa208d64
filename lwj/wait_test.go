package lwj

import (
	"context"
	"errors"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// TestSubmitThenWait is case J06: 1,000 times, each wait by another connection
// than the submit.
func TestSubmitThenWait(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	other := NewClient(h.connect(nil))
	for range 1000 {
		id := h.submit(NewSpec("a"))
		waited, err := other.Wait(testContext(t), Submitted, id)
		must(t, err)
		wantEqual(t, "job", id, waited[0].ID)
	}
}

// TestWaitNever is case J07: at once for a state that has been, never for one
// that cannot come.
func TestWaitNever(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	token := h.owner("o")
	complete, cancelled, running := h.submit(NewSpec("a"), Start("o", token)), h.submit(NewSpec("a")), h.submit(NewSpec("a"), Start("o", token))
	h.advance(complete, 1, life...)
	h.advance(running, 1, Starting, Running)
	must(t, one(h.client.Cancel(ctx, 0, cancelled)))
	for _, c := range []struct {
		id     uint64
		target State
		want   bus.Code
	}{
		{complete, Running, ""}, {complete, Complete, ""}, {complete, AnyFinal, ""}, {running, Starting, ""},
		{cancelled, Running, bus.CodeNever}, {complete, Failed, bus.CodeNever}, {complete, Submitted, bus.CodeNever},
		{99, Running, bus.CodeNotFound}, {complete, "paused", bus.CodeUsage}, {complete, "No", bus.CodeUsage},
	} {
		_, err := h.client.Wait(ctx, c.target, c.id)
		if bus.CodeOf(err) != c.want {
			t.Errorf("job %d for %s: want %q, got %v", c.id, c.target, c.want, err)
		}
	}
}

func TestWaitWakesUp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	for name, c := range map[string]struct {
		any  bool
		to   []State
		want bus.Code
	}{
		"reached": {false, life, ""}, "never": {false, []State{Cancelled}, bus.CodeNever}, "any": {true, life, ""},
	} {
		first, second := h.submit(NewSpec("a"), Start("o", token)), h.submit(NewSpec("a"), Start("o", token))
		wait := NewClient(h.connect(nil)).Wait
		if c.any {
			wait = NewClient(h.connect(nil)).WaitAny
		} else {
			h.advance(second, 1, life...)
		}
		done := make(chan error, 1)
		go func() {
			_, err := wait(testContext(t), Complete, second, first)
			done <- err
		}()
		h.advance(first, 1, c.to...)
		if err := <-done; bus.CodeOf(err) != c.want {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
		if c.any {
			h.advance(second, 1, Failed)
		}
	}
}

// TestWaitEndsWithItsContext: a wait that is given up says why, and how the
// jobs stand stays askable.
func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.submit(NewSpec("a"))
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if _, err := h.client.Wait(ctx, Complete, id); !errors.Is(err, context.Canceled) {
		t.Fatalf("want context.Canceled, got %v", err)
	}
}

// TestWaitAfterHistoryIsGone: what the kept transitions no longer tell, the
// machine does, where only one way leads.
func TestWaitAfterHistoryIsGone(t *testing.T) {
	t.Parallel()
	m := DefaultMachine()
	late := []*bus.Change{mustChange(t, StateRecord{State: Complete, From: Running}, 9, 8)}
	wantEqual(t, "running before complete", true, has(m, late, Running))
	wantEqual(t, "submitted before complete", false, has(m, late, Submitted))
	first := []*bus.Change{mustChange(t, StateRecord{State: Complete, From: Running}, 9, 0)}
	wantEqual(t, "nothing before the first", false, has(m, first, Running))
}

func mustChange(t *testing.T, r StateRecord, revision, previous uint64) *bus.Change {
	t.Helper()
	value, err := bus.Marshal(&r)
	must(t, err)
	return &bus.Change{Bucket: Bucket, Key: "1.state", Op: bus.OpPut, Value: value, Revision: revision, Previous: previous}
}
