package kvbucket

import (
	"bytes"
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxPrevious bounds what a watch reads of the versions that one transaction
// replaced, in bytes; it may go over them by one answer of the host.
const MaxPrevious = 64 << 20

// before returns what each of the changes replaced, nil where it was nothing,
// is gone, or does not matter; nil if the reader does not want to know. What
// has not been seen is asked for in one request, or as many as it takes.
func (w *Watch) before(ctx context.Context, changes []*bus.Change) ([]*bus.Change, error) {
	if !w.options.previous && !w.options.changes || len(changes) == 0 {
		return nil, nil
	}
	before := make([]*bus.Change, len(changes))
	var missing []int
	for i, c := range changes {
		if !w.matters(c) {
			continue
		}
		if before[i] = w.seen.get(c.Key, c.Previous); before[i] == nil {
			missing = append(missing, i)
		}
	}
	if err := w.fetch(ctx, changes, before, missing); err != nil {
		return nil, err
	}
	for _, c := range changes {
		w.seen.put(c)
	}
	return before, nil
}

// matters tells whether it is of use to know what a change replaced.
func (w *Watch) matters(c *bus.Change) bool {
	if w.options.previous {
		return c.Previous != 0
	}
	return c.Op == bus.OpPut && c.Version > 1
}

// fetch asks the host for the versions before the changes at these places.
func (w *Watch) fetch(ctx context.Context, changes, before []*bus.Change, places []int) error {
	for size := 0; len(places) > 0 && size < MaxPrevious; {
		asked := places[:min(len(places), maxVersions)]
		in := &versionsRequest{Bucket: w.bucket.name, KeysOnly: w.request.KeysOnly}
		for _, i := range asked {
			in.Keys, in.Revisions = append(in.Keys, changes[i].Key), append(in.Revisions, changes[i].Previous)
		}
		a, err := w.versions(ctx, in)
		if err != nil {
			return err
		}
		for _, c := range a.Changes {
			for changes[asked[0]].Key != c.Key {
				asked = asked[1:]
			}
			before[asked[0]] = c
			size += entrySize(c)
		}
		places = places[a.Done:]
	}
	return nil
}

// versions asks until there is an answer that counts.
func (w *Watch) versions(ctx context.Context, in *versionsRequest) (*versionsAnswer, error) {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	for {
		var a versionsAnswer
		err := w.bucket.conn.Call(wait, verbVersions, in, &a, bus.Read())
		switch {
		case w.ctx.Err() != nil:
			return nil, bus.ErrClosed
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			return &a, a.check(in)
		case !unanswered(err):
			return nil, err
		}
	}
}

// unanswered tells whether an error says no more than that the host did not
// answer in time: the next request waits for it again.
func unanswered(err error) bool {
	switch bus.CodeOf(err) {
	case bus.CodeUnreachable, bus.CodeTimeout, bus.CodeNotActive, bus.CodeOverloaded:
		return true
	}
	return false
}

// sameValue tells whether a change put the value that was there.
func sameValue(old, c *bus.Change) bool {
	return old != nil && old.Op == bus.OpPut && c.Op == bus.OpPut && bytes.Equal(old.Value, c.Value)
}
