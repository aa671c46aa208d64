package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// awaitReads is what a host answers to those who wait for keys.
func awaitReads() []engine.Read {
	return []engine.Read{engine.WaitOf(verbAwait, (*awaitRequest).check, await)}
}

// await answers the keys once they exist, or none when the caller's patience
// ends. Every snapshot between which something that matters has changed is
// looked at, and what was put and deleted in between is found in the history.
func await(ctx context.Context, v *engine.View, in *awaitRequest) (any, error) {
	if in.After == nil {
		now := v.Revision()
		in.After = &now
	}
	for {
		a := &awaitAnswer{page: *pageAt(v.Revision()), Token: in.Token}
		missing := in.look(v, a)
		if len(missing) == 0 {
			return a, nil
		}
		if in.Owner != nil {
			token, keys, err := in.owner(v)
			if err != nil {
				return nil, err
			}
			a.Token, in.Token = token, token
			missing = append(missing, keys...)
		}
		next, err := v.AwaitAny(ctx, missing, v.Revision())
		if err != nil {
			return a, nil // the end of the wait: the caller asks again
		}
		v = next
	}
}

// look puts what is waited for into the answer, or returns the keys that are
// missing.
func (r *awaitRequest) look(v *engine.View, a *awaitAnswer) (missing []engine.WaitKey) {
	var found []*bus.Change
	for _, key := range r.Keys {
		if c := v.Get(r.Bucket, key); c != nil {
			found = append(found, c)
		} else {
			missing = append(missing, engine.WaitKey{Bucket: r.Bucket, Key: key})
		}
	}
	switch {
	case r.All && len(missing) > 0:
		return missing
	case r.All:
	case len(found) > 0:
		found = found[:1]
	default:
		if found = r.passed(v); len(found) == 0 {
			return missing
		}
	}
	for _, c := range found {
		if !a.add(c) {
			break
		}
	}
	return nil
}

// passed is a key that has been put since the wait began, and deleted again.
func (r *awaitRequest) passed(v *engine.View) []*bus.Change {
	if *r.After == v.Revision() {
		return nil
	}
	for _, key := range r.Keys {
		if c := lastPut(v, r.Bucket, key, *r.After); c != nil {
			return []*bus.Change{c}
		}
	}
	return nil
}

// lastPut is the newest put of a key above a revision. What a delete says that
// it follows is one, also where the bucket keeps no more than the delete
// (TestWaitWithoutHistory).
func lastPut(v *engine.View, bucket, key string, above uint64) *bus.Change {
	kept := v.History(bucket, key)
	for i := len(kept) - 1; i >= 0 && kept[i].Revision > above; i-- {
		switch c := kept[i]; {
		case c.Op == bus.OpPut:
			return c
		case i == 0 && c.Previous > above:
			return v.Version(bucket, key, c.Previous)
		}
	}
	return nil
}

// owner returns the token of the owner on whom the wait depends, and the keys
// that say so.
func (r *awaitRequest) owner(v *engine.View) (uint64, []engine.WaitKey, error) {
	o, ok, keys := v.OwnerKeys(*r.Owner)
	if !ok || r.Token != 0 && r.Token != o.Token {
		return 0, nil, bus.NewError(bus.CodeNever, "owner %s has ended: the wait is over", shown(*r.Owner)).WithRevision(v.Revision())
	}
	return o.Token, keys, nil
}
