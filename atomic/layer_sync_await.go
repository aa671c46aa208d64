package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// await answers where a place has led once it is gone from its line, or that
// it still waits when the caller's patience ends. Only who is called is woken:
// it waits for its own key.
func await(ctx context.Context, v *engine.View, in *awaitRequest) (any, error) {
	key := engine.WaitKey{Bucket: waitBucket, Key: in.place.key()}
	if in.Leaving {
		key.Key = in.leaveKey()
	}
	for v.Get(key.Bucket, key.Key) != nil {
		next, err := v.AwaitAny(ctx, []engine.WaitKey{key}, v.Revision())
		if err != nil {
			return &acquireAnswer{Ticket: in.Ticket}, nil // the end of the wait: the caller asks again
		}
		v = next
	}
	return in.outcome(v)
}

// outcome is where a place has led that is gone from its line. Of a session
// that lives, only the caller itself takes away what was granted.
func (r *awaitRequest) outcome(v *engine.View) (any, error) {
	a := &acquireAnswer{Ticket: r.Ticket}
	if bucket, key := r.grantKey(); !r.Leaving && r.Line != lineBarrier {
		if c := v.Get(bucket, key); r.holds(c) {
			a.Fence = c.Revision
			return a, nil
		}
	}
	switch o, ok := v.Owner(r.Owner); {
	case !ok || o != r.owner():
		return nil, errNoOwner(r.Owner)
	case r.Leaving || r.Line == lineBarrier:
		a.Fence = v.Revision()
		return a, nil
	}
	return nil, bus.NewError(bus.CodeNever, "%s %s: the place in line was withdrawn", r.Line, shown([]byte(r.Name)))
}

// proclaim changes what a leader proclaims, while it is the leader.
func proclaim(tx *engine.Tx, in *proclaimRequest) (any, error) {
	bucket, key := in.grantKey()
	if in.Line != lineElection || !in.holds(tx.Get(bucket, key)) {
		return nil, errLost(&in.place)
	}
	tx.PutOwned(LockBucket, leaderPrefix+in.Name, in.Value, in.owner())
	return nil, nil
}

// leader answers who leads.
func leader(v *engine.View, in *leaderRequest) (any, error) {
	a := &leaderAnswer{Revision: v.Revision()}
	grant, said := v.Get(LockBucket, string(lineElection)+"."+in.Name), v.Get(LockBucket, leaderPrefix+in.Name)
	if grant != nil && said != nil {
		a.Owner, a.Fence, a.Value = grant.Owner, grant.Revision, said.Value
	}
	return a, nil
}
