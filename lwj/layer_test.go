package lwj

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func TestSubmitIsOneTransaction(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	answer, err := h.client.SubmitAll(testContext(t), []Spec{NewSpec("a"), NewSpec("b")})
	must(t, err)
	if want := []uint64{1, 2}; !slices.Equal(want, answer.IDs) {
		t.Fatalf("want ids %v, got %v", want, answer.IDs)
	}
	s := h.engine.Snapshot()
	wantEqual(t, "revision", 1, s.Revision())
	wantEqual(t, "next-id", "2", string(s.Get(Bucket, "next-id").Value))
	for _, key := range []string{"1.spec", "1.ctl", "1.state", "2.spec", "2.ctl", "2.state"} {
		if s.Get(Bucket, key) == nil {
			t.Errorf("want key %s", key)
		}
	}
	wantEqual(t, "third id", 3, h.submit(NewSpec("c")))
}

func TestSubmitToAnOwnerThatIsGone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	_, err := h.client.Submit(testContext(t), NewSpec("a"), Start("o", token+1))
	wantCode(t, bus.CodeNoOwner, err)
	h.endOwner("o", token)
	_, err = h.client.Submit(testContext(t), NewSpec("a"), Start("o", token))
	wantCode(t, bus.CodeNoOwner, err)
}

func TestDedup(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := NewSpec("a")
	s.Dedup = "nightly"
	first := h.submit(s)
	answer, err := h.client.SubmitAll(testContext(t), []Spec{s, NewSpec("b"), s})
	must(t, err)
	if want := []uint64{first, first + 1, first}; !slices.Equal(want, answer.IDs) {
		t.Fatalf("want %v, got %v", want, answer.IDs)
	}
	wantEqual(t, "known", 2, len(answer.Known))
}

// life is the transitions of a plain run after the first.
var life = []State{Starting, Running, Complete}

func TestAdvance(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.submit(NewSpec("a"), Start("o", h.owner("o")))
	exit := 0
	h.advance(id, 1, Starting)
	must(t, h.client.AdvanceOne(testContext(t), id, Running, 1, &Detail{Host: "n1", Pids: []int{4, 5}}))
	running := h.show(id)
	wantEqual(t, "owner", "o", running.Control.Owner)
	wantEqual(t, "host", "n1", running.Host)
	if !slices.Equal([]int{4, 5}, running.Pids) {
		t.Fatalf("want pids 4 5, got %v", running.Pids)
	}
	must(t, h.client.AdvanceOne(testContext(t), id, Complete, 1, &Detail{ExitCode: &exit}))
	info := h.show(id)
	wantEqual(t, "owner at the end", "", info.Control.Owner)
	wantEqual(t, "host at the end", "n1", info.Host)
	wantEqual(t, "exit code", 0, *info.State.Detail.ExitCode)
	wantEqual(t, "times", 4, len(info.Times))
	wantEqual(t, "epoch", 1, info.State.Epoch)
}

func TestAdvanceRefusals(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	owned, waiting := h.submit(NewSpec("a"), Start("o", h.owner("o"))), h.submit(NewSpec("a"))
	done := h.submit(NewSpec("a"), Start("o", h.show(owned).Control.Token))
	h.advance(done, 1, life...)
	before := h.engine.Snapshot().Revision()
	results, err := h.client.Advance(ctx,
		Advance{ID: 99, To: Starting, Epoch: 1}, Advance{ID: waiting, To: Reserved}, Advance{ID: done, To: Running, Epoch: 1},
		Advance{ID: owned, To: Running, Epoch: 1})
	must(t, err)
	for i, want := range []bus.Code{bus.CodeNotFound, bus.CodeFenced, bus.CodeTransition, bus.CodeTransition} {
		wantCode(t, want, results[i].Err())
		if strings.Contains(results[i].Error.Message, "\n") {
			t.Errorf("want one line, got %q", results[i].Error.Message)
		}
	}
	wantEqual(t, "revision", before, h.engine.Snapshot().Revision())
	wantCode(t, bus.CodeTransition, h.client.AdvanceOne(ctx, owned, "paused", 1, nil))
	_, err = h.client.Advance(ctx, Advance{ID: owned, To: Starting, Epoch: 1}, Advance{ID: owned, To: Running, Epoch: 1})
	wantCode(t, bus.CodeUsage, err)
}

// TestAdvanceBulk: a refused item does not spoil the others.
func TestAdvanceBulk(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	specs := make([]Spec, MaxSubmit)
	for i := range specs {
		specs[i] = NewSpec("a")
	}
	answer, err := h.client.SubmitAll(testContext(t), specs, Start("o", h.owner("o")))
	must(t, err)
	var items []Advance
	for i, id := range answer.IDs {
		items = append(items, Advance{ID: id, To: Starting, Epoch: uint64(1 + i%2)})
	}
	results, err := h.client.Advance(testContext(t), items...)
	must(t, err)
	for i, r := range results {
		if want := i%2 == 0; want != (r.Error == nil) {
			t.Fatalf("item %d: want done %v, got %v", i, want, r.Error)
		}
		wantEqual(t, "state", []State{Starting, Reserved}[i%2], r.State)
	}
	wantEqual(t, "transactions", 3, h.engine.Snapshot().Revision()) // owner, submit, advance
}

// TestAdvanceFenced is case J11 at the layer: two owners of one job; the first
// wakes up past its lease.
func TestAdvanceFenced(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	s := NewSpec("a")
	s.Retries = 1
	id := h.submit(s)
	first := h.owner("one")
	epoch, err := h.claim(id, "one", first)
	must(t, err)
	wantEqual(t, "first epoch", 1, epoch)
	h.advance(id, 1, Starting, Running)
	h.endOwner("one", first)
	if err := h.client.AdvanceOne(ctx, id, Complete, 1, nil); !errors.Is(err, ErrFenced) {
		t.Fatalf("want ErrFenced while nobody owns it, got %v", err)
	}
	second := h.owner("two")
	epoch, err = h.claim(id, "two", second)
	must(t, err)
	wantEqual(t, "second epoch", 2, epoch)
	if err := h.client.AdvanceOne(ctx, id, Starting, 1, nil); !errors.Is(err, ErrFenced) {
		t.Fatalf("want ErrFenced for the old epoch, got %v", err)
	}
	_, err = h.claim(id, "one", h.owner("one"))
	wantCode(t, bus.CodeTransition, err)
	h.advance(id, 2, life...)
	info := h.show(id)
	wantEqual(t, "attempt", 2, info.State.Attempt)
	wantEqual(t, "state", Complete, info.State.State)
}

func TestRetryAndReturn(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	s := NewSpec("a")
	s.Retries = 1
	id, token := h.submit(s), h.owner("w")
	next := func() uint64 {
		epoch, err := h.claim(id, "w", token)
		must(t, err)
		h.advance(id, epoch, Starting, Running)
		return epoch
	}
	must(t, h.client.AdvanceOne(ctx, id, Submitted, next(), &Detail{Reason: ReasonReturned}))
	wantEqual(t, "attempt after a return", 1, h.show(id).State.Attempt)
	must(t, h.client.AdvanceOne(ctx, id, Submitted, next(), &Detail{Reason: ReasonRetry}))
	wantEqual(t, "attempt after a retry", 2, h.show(id).State.Attempt)
	epoch := next()
	wantCode(t, bus.CodeTransition, h.client.AdvanceOne(ctx, id, Submitted, epoch, &Detail{Reason: ReasonRetry}))
	h.advance(id, epoch, Failed)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	owned, waiting := h.submit(NewSpec("a"), Start("o", h.owner("o"))), h.submit(NewSpec("a"))
	results, err := h.client.Cancel(ctx, time.Second, owned, waiting, 99)
	must(t, err)
	must(t, results[0].Err())
	must(t, results[1].Err())
	wantCode(t, bus.CodeNotFound, results[2].Err())
	wantEqual(t, "state of the unowned", Cancelled, results[1].State)
	wantEqual(t, "reason", ReasonUser, h.show(waiting).State.Detail.Reason)
	info := h.show(owned)
	wantEqual(t, "state of the owned", Reserved, info.State.State)
	wantEqual(t, "grace", time.Second, info.Control.Cancel.Grace)
	before := h.engine.Snapshot().Revision()
	must(t, one(h.client.Cancel(ctx, time.Second, owned)))
	wantEqual(t, "revision after the same again", before, h.engine.Snapshot().Revision())
	must(t, one(h.client.Cancel(ctx, 0, owned)))
	wantEqual(t, "grace after another", 0, h.show(owned).Control.Cancel.Grace)
	wantCode(t, bus.CodeTooLate, one(h.client.Cancel(ctx, 0, waiting)))
}

func TestSignalKeepsTheNewest(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	id := h.submit(NewSpec("a"), Start("o", h.owner("o")))
	for range MaxSignals + 2 {
		must(t, one(h.client.Signal(ctx, 10, id)))
	}
	signals := h.show(id).Control.Signals
	wantEqual(t, "signals", MaxSignals, len(signals))
	wantEqual(t, "first", 3, signals[0].Seq)
	wantCode(t, bus.CodeTransition, one(h.client.Signal(ctx, 10, h.submit(NewSpec("a")))))
	_, err := h.client.Signal(ctx, 0, id)
	wantCode(t, bus.CodeUsage, err)
}

func TestOwnedTellsWhatChanged(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	token := h.owner("a/b")
	first, second := h.submit(NewSpec("a"), Start("a/b", token)), h.submit(NewSpec("a"), Start("a/b", token))
	h.submit(NewSpec("a"), Start("a", h.owner("a")))
	all, rev, err := h.client.Owned(ctx, "a/b", 0)
	must(t, err)
	wantEqual(t, "jobs", 2, len(all))
	must(t, one(h.client.Cancel(ctx, 0, second)))
	changed, _, err := h.client.Owned(ctx, "a/b", rev)
	must(t, err)
	wantEqual(t, "changed jobs", 1, len(changed))
	wantEqual(t, "which", second, changed[0].ID)
	h.advance(first, 1, Failed)
	all, _, err = h.client.Owned(ctx, "a/b", 0)
	must(t, err)
	wantEqual(t, "jobs left", 1, len(all))
}

func TestOwnerEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	retry := NewSpec("a")
	retry.Retries = 1
	plain, again := h.submit(NewSpec("a"), Start("o", token)), h.submit(retry, Start("o", token))
	cancelled, done := h.submit(retry, Start("o", token)), h.submit(NewSpec("a"), Start("o", token))
	other := h.submit(NewSpec("a"), Start("p", h.owner("p")))
	h.advance(plain, 1, Starting, Running)
	h.advance(done, 1, life...)
	must(t, one(h.client.Cancel(testContext(t), 0, cancelled)))
	h.endOwner("o", token)
	for _, c := range []struct {
		id      uint64
		state   State
		reason  string
		attempt uint32
	}{
		{plain, Failed, ReasonLost, 1}, {again, Submitted, ReasonLost, 2}, {cancelled, Cancelled, ReasonUser, 1},
	} {
		info := h.show(c.id)
		wantEqual(t, "state", c.state, info.State.State)
		wantEqual(t, "reason", c.reason, info.State.Detail.Reason)
		wantEqual(t, "attempt", c.attempt, info.State.Attempt)
		wantEqual(t, "owner", "", info.Control.Owner)
	}
	wantEqual(t, "done before", Complete, h.show(done).State.State)
	wantEqual(t, "another's", Reserved, h.show(other).State.State)
}

// TestOwnerEndsWithManyJobs: more than one transaction can settle.
func TestOwnerEndsWithManyJobs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	specs := make([]Spec, MaxSubmit)
	for i := range specs {
		specs[i] = NewSpec("a")
	}
	_, err := h.client.SubmitAll(testContext(t), specs, Start("o", token))
	must(t, err)
	h.endOwner("o", token)
	jobs, _, err := h.client.List(testContext(t), ListOptions{States: []State{Failed}})
	must(t, err)
	wantEqual(t, "failed", MaxSubmit, len(jobs))
}

// TestRestart is case J22 at the layer: jobs in every state survive, ids grow,
// jobs of a dead owner settle when its lease ends.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	ids := []uint64{h.submit(NewSpec("a"))}
	for n := range 4 {
		id := h.submit(NewSpec("a"), Start("o", token))
		h.advance(id, 1, life[:n]...)
		ids = append(ids, id)
	}
	must(t, one(h.client.Cancel(testContext(t), 0, ids[0])))
	before := map[uint64]*Info{}
	for _, id := range ids {
		before[id] = h.show(id)
	}
	h.restart()
	for _, id := range ids {
		after := h.show(id)
		wantEqual(t, "state", before[id].State.State, after.State.State)
		wantEqual(t, "revision", before[id].Revision, after.Revision)
	}
	wantEqual(t, "next id", ids[len(ids)-1]+1, h.submit(NewSpec("a")))
	h.endOwner("o", token)
	wantEqual(t, "a dead owner's job", Failed, h.show(ids[2]).State.State)
}

func TestPostAndForget(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	s := NewSpec("a")
	s.Dedup = "k"
	id := h.submit(s, Start("o", h.owner("o")))
	for want := uint64(1); want <= 40; want++ {
		n, err := h.client.Post(ctx, id, "step", map[string]string{"n": "1"})
		must(t, err)
		wantEqual(t, "number", want, n)
	}
	_, err := h.client.Post(ctx, 99, "step", nil)
	wantCode(t, bus.CodeNotFound, err)
	_, err = h.client.Post(ctx, id, "", nil)
	wantCode(t, bus.CodeUsage, err)
	_, err = h.client.PostEvent(ctx, id, 2, EventRecord{Kind: KindSync, State: Running, Phase: "reached"})
	wantCode(t, bus.CodeFenced, err)
	wantCode(t, bus.CodeTransition, one(h.client.Forget(ctx, id)))
	h.advance(id, 1, life...)
	must(t, one(h.client.Forget(ctx, id)))
	_, err = h.client.Show(ctx, id)
	wantCode(t, bus.CodeNotFound, err)
	h.engine.Snapshot().Range(Bucket, "", nil, func(c *bus.Change) bool {
		wantEqual(t, "the only key left", "next-id", c.Key)
		return true
	})
	wantEqual(t, "id after its dedup key was forgotten", id+1, h.submit(s))
}

func TestExternal(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	m := &Machine{States: []State{"idle", "busy", "gone"}, Initial: []State{"idle"}, Edges: []Edge{{From: "idle", To: "busy"}, {From: "busy", To: "idle"}, {From: "busy", To: "gone"}}}
	id := h.submit(Spec{Machine: m}, External("idle"))
	h.advance(id, 1, "busy", "idle", "busy")
	wantCode(t, bus.CodeTransition, h.client.AdvanceOne(ctx, id, Running, 1, nil))
	wantCode(t, bus.CodeFenced, h.client.AdvanceOne(ctx, id, "gone", 2, nil))
	h.advance(id, 1, "gone")
	info := h.show(id)
	wantEqual(t, "final", true, info.Final())
	_, err := h.client.Submit(ctx, Spec{Machine: m}, External("gone"))
	wantCode(t, bus.CodeTransition, err)
}

// TestHookSeesEveryTransition: an index of another layer misses nothing.
func TestHookSeesEveryTransition(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 64)
	h := newHost(t, withHook(func(_ *engine.Tx, tr *Transition) { seen <- string(tr.From + ">" + tr.To) }))
	s := NewSpec("a")
	s.Retries = 1
	id, token := h.submit(s), h.owner("o")
	_, err := h.claim(id, "o", token)
	must(t, err)
	h.endOwner("o", token)
	must(t, one(h.client.Cancel(testContext(t), 0, id)))
	for _, want := range []string{">submitted", "submitted>reserved", "reserved>submitted", "submitted>cancelled"} {
		wantEqual(t, "transition", want, <-seen)
	}
}
