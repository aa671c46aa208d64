package lwj

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

func ids(jobs []Info) (out []uint64) {
	for i := range jobs {
		out = append(out, jobs[i].ID)
	}
	return out
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := h.owner("o")
	a, b := NewSpec("a"), NewSpec("b")
	a.Labels, a.Group = map[string]string{"k": "1", "x": "y"}, "g"
	b.Labels = map[string]string{"k": "2"}
	h.submit(a)                    // 1 submitted
	h.submit(b, Start("o", token)) // 2 reserved
	h.submit(a, Start("o", token)) // 3 complete
	h.submit(b, Start("o", token)) // 4 failed
	h.advance(3, 1, life...)
	h.advance(4, 1, Failed)
	group := "g"
	for _, c := range []struct {
		name string
		o    ListOptions
		want []uint64
	}{
		{"all", ListOptions{}, []uint64{1, 2, 3, 4}},
		{"newest", ListOptions{Newest: true}, []uint64{4, 3, 2, 1}},
		{"active", ListOptions{Active: true}, []uint64{1, 2}},
		{"active newest", ListOptions{Active: true, Newest: true, Limit: 1}, []uint64{2}},
		{"states", ListOptions{States: []State{Complete, Reserved}}, []uint64{2, 3}},
		{"label", ListOptions{Labels: map[string]string{"k": "1"}}, []uint64{1, 3}},
		{"labels", ListOptions{Labels: map[string]string{"k": "2", "x": "y"}}, nil},
		{"group", ListOptions{Group: &group}, []uint64{1, 3}},
		{"dead", ListOptions{Dead: true}, []uint64{4}},
		{"limit", ListOptions{Limit: 3}, []uint64{1, 2, 3}},
	} {
		jobs, rev, err := h.client.List(testContext(t), c.o)
		must(t, err)
		if !slices.Equal(c.want, ids(jobs)) || rev != h.engine.Snapshot().Revision() {
			t.Errorf("%s: want %v, got %v at %d", c.name, c.want, ids(jobs), rev)
		}
	}
	_, _, err := h.client.List(testContext(t), ListOptions{States: []State{"No"}})
	wantCode(t, bus.CodeUsage, err)
}

// TestListIsOfOneRevision: a list of several pages shows no change that was
// made between them.
func TestListIsOfOneRevision(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const jobs = 20
	for i := range jobs {
		h.submit(NewSpec("a", strings.Repeat("x", MaxSpec/2), fmt.Sprint(i)))
	}
	for _, active := range []bool{false, true} {
		first := new(JobsAnswer)
		must(t, h.conn.Call(testContext(t), VerbList, ListRequest{Active: active}, first, bus.Read()))
		if len(first.Jobs) == jobs {
			t.Fatal("want more than one page")
		}
		got, err := h.client.pages(testContext(t), first, func(ctx context.Context, before *JobsAnswer) (*JobsAnswer, error) {
			_, err := h.client.Cancel(ctx, 0, jobs) // the last one, after the first page was read
			must(t, err)
			answer := new(JobsAnswer)
			req := ListRequest{Active: active, From: before.Next, IDs: before.Rest, At: before.Revision}
			return answer, h.conn.Call(ctx, VerbList, req, answer, bus.Read())
		})
		must(t, err)
		want := jobs
		if active {
			want = jobs - 1 // cancelled in the first round
		}
		wantEqual(t, "jobs", want, len(got))
		if last := got[len(got)-1]; !active && last.State.State != Submitted {
			t.Fatalf("want job %d as it was, got %s", last.ID, last.State.State)
		}
	}
}

// TestListActiveDoesNotLookAtEnded: a thousand jobs that have ended cost an
// active list nothing.
func TestListActiveDoesNotLookAtEnded(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	specs := make([]Spec, MaxSubmit)
	for i := range specs {
		specs[i] = NewSpec("a")
	}
	answer, err := h.client.SubmitAll(testContext(t), specs)
	must(t, err)
	_, err = h.client.Cancel(testContext(t), 0, answer.IDs[1:]...)
	must(t, err)
	v := h.engine.View("")
	p := (&layer{machine: DefaultMachine()}).newPage(v, 0, 0)
	_, err = p.candidates(activeIDs(v, false), &ListRequest{Active: true})
	must(t, err)
	wantEqual(t, "jobs looked at", 1, p.seen)
}

func TestShowAt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := testContext(t)
	id := h.submit(NewSpec("a"), Start("o", h.owner("o")))
	born := h.show(id).Revision
	h.advance(id, 1, life...)
	then, err := h.client.ShowAt(ctx, id, born)
	must(t, err)
	wantEqual(t, "state then", Reserved, then.State.State)
	wantEqual(t, "owner then", "o", then.Control.Owner)
	wantEqual(t, "times then", 1, len(then.Times))
	_, err = h.client.ShowAt(ctx, id, born-1)
	wantCode(t, bus.CodeNotFound, err)
	_, err = h.client.ShowAt(ctx, id, 99)
	wantCode(t, bus.CodeUsage, err)
}
