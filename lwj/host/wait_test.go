package host_test

import (
	"errors"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
)

// TestWaitUnlessJobEnds: a job is an owner on which a wait can depend, until it
// is in a final state.
func TestWaitUnlessJobEnds(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		ctx := t.Context()
		kv, err := kvbucket.Open(c, "kv")
		if err != nil {
			t.Fatal(err)
		}
		var a lwj.SubmitAnswer
		if err := c.Call(ctx, lwj.VerbSubmit, &lwj.SubmitRequest{External: lwj.Reserved, Specs: []lwj.Spec{lwj.NewSpec("true")}}, &a); err != nil {
			t.Fatal(err)
		}
		unless := kvbucket.UnlessOwnerEnds(lwj.JobOwner(a.IDs[0]))
		done := make(chan error, 2)
		go func() { _, err := kv.Wait(ctx, "first", unless); done <- err }()
		_, err = kv.Put(ctx, "first", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		go func() { _, err := kv.Wait(ctx, "second", unless); done <- err }()
		for _, to := range []lwj.State{lwj.Starting, lwj.Running, lwj.Complete} {
			if err := c.Call(ctx, lwj.VerbAdvance, &lwj.AdvanceRequest{Items: []lwj.Advance{{ID: a.IDs[0], To: to, Epoch: 1}}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-done; !errors.Is(err, kvbucket.ErrOwnerEnded) {
			t.Errorf("while the job ends: want ErrOwnerEnded, got %v", err)
		}
		if _, err := kv.Wait(ctx, "second", unless); !errors.Is(err, kvbucket.ErrOwnerEnded) {
			t.Errorf("after the job's end: want ErrOwnerEnded, got %v", err)
		}
	})
}
