package lwj

import (
	"fmt"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// ownReq puts keys owned by a job, under its token or, with 0, whichever it has.
type ownReq struct {
	Job, Token uint64
	From, To   int
}

// ownerLayer puts keys into a bucket of users.
func ownerLayer() engine.Layer {
	return engine.Layer{Name: "owning", Procedures: []engine.Procedure{
		engine.Write("test.own", nil, func(tx *engine.Tx, in *ownReq) (any, error) {
			o, ok := tx.Owner(JobOwner(in.Job))
			if in.Token != 0 {
				o.Token = in.Token
				ok = tx.OwnerAlive(o)
			}
			if !ok {
				return nil, bus.NewError(bus.CodeNoOwner, "job %d is no owner", in.Job)
			}
			for i := in.From; i < in.To; i++ {
				tx.PutOwned("users", fmt.Sprintf("%d.%06d", in.Job, i), nil, o)
			}
			return nil, nil
		}),
	}}
}

func (h *testHost) own(job, token uint64, from, to int) error {
	return h.conn.Call(testContext(h.t), "test.own", ownReq{job, token, from, to}, nil)
}

// owns counts the live keys of a job.
func (h *testHost) owns(job uint64) (n int) {
	from, to := fmt.Sprintf("%d.", job), fmt.Sprintf("%d/", job)
	h.engine.Snapshot().Range("users", from, &to, func(*bus.Change) bool { n++; return true })
	return n
}

// TestJobOwns: a job owns keys from its submission, through its owners and
// attempts, to its final state, in whose transaction they go; its own records
// stay.
func TestJobOwns(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *testHost, id, token uint64){
		"complete": func(h *testHost, id, _ uint64) { h.advance(id, 1, Starting, Running, Complete) },
		"cancelled": func(h *testHost, id, _ uint64) {
			_, err := h.client.Cancel(testContext(h.t), 0, id)
			must(h.t, err)
			h.advance(id, 1, Cancelled)
		},
		"owner lost": func(h *testHost, _, token uint64) { h.endOwner("o", token) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			wantCode(t, bus.CodeNoOwner, h.own(1, 0, 0, 1))
			token := h.owner("o")
			id, other := h.submit(NewSpec("a"), Start("o", token)), h.submit(NewSpec("b"))
			spec := h.engine.Snapshot().Get(Bucket, specKey(id)).Created
			must(t, h.own(id, 0, 0, 3))
			must(t, h.own(id, spec, 3, 5))
			wantCode(t, bus.CodeNoOwner, h.own(id, spec+1, 5, 6))
			must(t, h.own(other, 0, 0, 2))
			end(h, id, token)
			wantEqual(t, "keys of the job", 0, h.owns(id))
			wantEqual(t, "keys of the other", 2, h.owns(other))
			s := h.engine.Snapshot()
			final := s.Get(Bucket, stateKey(id))
			history := s.History("users", fmt.Sprintf("%d.%06d", id, 0))
			gone := history[len(history)-1]
			wantEqual(t, "revision of the delete", final.Revision, gone.Revision)
			wantEqual(t, "reason", bus.ReasonOwnerGone, gone.Reason)
			wantCode(t, bus.CodeNoOwner, h.own(id, 0, 5, 6))
			wantEqual(t, "its records", true, s.Get(Bucket, ctlKey(id)) != nil && s.Get(Bucket, specKey(id)) != nil)
		})
	}
}

// TestJobsOwnMany: jobs that end together and own more than one transaction
// deletes are settled in several; what goes on with them is not refused.
func TestJobsOwnMany(t *testing.T) {
	t.Parallel()
	const jobs, each = 4, 700
	h := newHost(t)
	token := h.owner("o")
	items := make([]Advance, jobs)
	for i := range items {
		id := h.submit(NewSpec("a"), Start("o", token))
		must(t, h.own(id, 0, 0, each))
		h.advance(id, 1, Starting, Running)
		items[i] = Advance{ID: id, Epoch: 1, To: Complete}
	}
	var answer ItemsAnswer
	must(t, h.conn.Call(testContext(t), VerbAdvance, AdvanceRequest{Items: items}, &answer))
	for _, r := range answer.Results {
		if r.Error != nil {
			t.Error(r.Error)
		}
	}
	for left := 1; left != 0; {
		s := h.engine.Snapshot()
		left = -1 // "o" stays
		s.Range(engine.OwnerBucket, "", nil, func(*bus.Change) bool { left++; return true })
		for _, in := range items {
			left += h.owns(in.ID)
		}
		if left > 0 {
			_, err := h.engine.View("").AwaitRevision(testContext(t), s.Revision()+1)
			must(t, err)
		}
	}
}
