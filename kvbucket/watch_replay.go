package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// replay reads a page. Only the first one claims that its revision is there
// and nothing compacted: later ones, and all of a watch from now on, repair
// what was begun. A page ends where a filter begins that it was not asked for.
func (w *Watch) replay(ctx context.Context, from uint64) (*bus.Page, error) {
	for {
		calls := w.ask(from)
		p := new(bus.Page)
		if err := w.bucket.conn.Call(ctx, verbReplay, &w.request, p, bus.Read()); err != nil {
			return nil, err
		}
		if w.request.First = false; w.request.Begun == 0 {
			w.request.Begun = p.Revision
		}
		w.request.Start = w.request.Start && p.Next != 0
		if w.clip(p, from, calls) {
			return p, nil
		}
	}
}

// ask makes the request for the changes from a revision on.
func (w *Watch) ask(from uint64) (calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.request.From = from
	if w.filters.request(&w.request) {
		w.request.Start = false // what is gone since Add is an error
	}
	return w.filters.calls
}

// clip cuts off what of a page is not whole, and tells whether anything is left.
func (w *Watch) clip(p *bus.Page, from uint64, calls int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	end, limit := p.Revision, w.filters.limit(from, calls)
	if p.Next != 0 {
		end = p.Next - 1
	}
	if limit < from {
		return false
	}
	if end > limit {
		p.Changes, p.Next, end = upTo(p.Changes, limit), limit+1, limit
	}
	w.passed = max(w.passed, end)
	return true
}

// upTo returns the changes up to a revision; they are in commit order.
func upTo(changes []*bus.Change, revision uint64) []*bus.Change {
	for i, c := range changes {
		if c.Revision > revision {
			return changes[:i]
		}
	}
	return changes
}

func (w *Watch) match(c *bus.Change) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed = max(w.passed, c.Revision)
	return w.options.kinds.has(c.Op) && w.filters.wants(c.Key, c.Revision)
}
