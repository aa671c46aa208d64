package lwj

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Wait returns when every job has been in the state target, or in any final
// state for AnyFinal; at once where it has been already. The host holds the
// request: waiting costs no messages but one in bus.MaxWait. It returns how
// each job stands, in the order of ids, with an error too where it is known.
//
// Errors: ErrNever when one of them can no longer come there
// (TestWaitNever); ErrNoJob; CodeUsage for a state that the job's machine has
// not; the cause of ctx; bus.ErrUnreachable when no host answers for the
// connection's RequestTimeout.
func (c *Client) Wait(ctx context.Context, target State, ids ...uint64) ([]Waited, error) {
	var all []Waited
	for from := 0; from < len(ids); from += MaxAwait {
		part, err := c.await(ctx, AwaitRequest{IDs: ids[from:min(len(ids), from+MaxAwait)], Target: target})
		all = append(all, part...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// WaitAny returns when one of the jobs, at most MaxAwait, has been in the
// state target. Its errors are those of Wait; ErrNever when none can come there.
func (c *Client) WaitAny(ctx context.Context, target State, ids ...uint64) ([]Waited, error) {
	return c.await(ctx, AwaitRequest{IDs: ids, Target: target, Any: true})
}

func (c *Client) await(ctx context.Context, req AwaitRequest) ([]Waited, error) {
	for {
		var answer AwaitAnswer
		if err := c.conn.Call(ctx, VerbAwait, req, &answer, bus.Read(), bus.Wait(bus.MaxWait)); err != nil {
			return nil, err
		}
		if answer.Done {
			return answer.Jobs, answer.never(req)
		}
		if err := context.Cause(ctx); err != nil {
			return answer.Jobs, err
		}
	}
}

// never is the error of a wait that is over without what was waited for.
func (a *AwaitAnswer) never(req AwaitRequest) error {
	reached, never := a.count()
	if never == 0 || req.Any && reached > 0 {
		return nil
	}
	for i := range a.Jobs {
		if w := &a.Jobs[i]; w.Never {
			return refuse(ErrNever, "job %d is %s: it can no longer become %s", w.ID, w.State.State, req.Target).WithRevision(w.Revision)
		}
	}
	return nil
}
