package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Add adds filters while the watch runs, and returns a revision: what the new
// filters want above it comes, each change once for each of them, in commit
// order among all others, and nothing of them from before. Everything written
// before the call of Add is up to the revision, and everything written after
// its return is above (TestAddUnderFire). So a list At the revision and the
// watch together miss nothing. Filters that are there already stay as they are.
// In a watch without filters everything goes on to come, too.
//
// A watch that begins with one key follows that key alone, at little cost; its
// first other filter makes it follow the bucket (TestAddToOneKey).
//
// Errors: ErrEmptyKey, ErrInvalidKey, ErrTooLarge for filters; those of
// bus.Conn.Follow; bus.ErrClosed after Close. The watch is then as it was.
func (w *Watch) Add(ctx context.Context, filters ...FilterOption) (revision uint64, err error) {
	if err := w.change(ctx); err != nil {
		return 0, err
	}
	defer w.changed()
	fresh, needsFeed, err := w.fresh(filters)
	if err != nil {
		return 0, err
	}
	var feed *bus.Follower
	if needsFeed {
		feed, revision, err = w.follow(ctx, "", 0, false, true)
	} else {
		revision, err = Revision(ctx, w.bucket.conn)
	}
	if err != nil {
		return 0, err
	}
	if revision, err = w.install(fresh, feed, revision); err != nil && feed != nil {
		feed.Close()
	}
	return revision, err
}

// Remove removes filters while the watch runs, all of those it is given that
// are there. What a Next that begins later returns is not theirs, but for the
// rest of a transaction of which an event has been returned. A watch whose
// filters are all removed returns nothing until Add.
//
// Errors: bus.ErrClosed after Close; the cause of the end of ctx.
func (w *Watch) Remove(ctx context.Context, filters ...FilterOption) error {
	if err := w.change(ctx); err != nil {
		return err
	}
	defer w.changed()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filters.remove(givenBy(filters))
	return nil
}

func givenBy(options []FilterOption) (all []filter) {
	for _, o := range options {
		all = append(all, o.given()...)
	}
	return all
}

// change waits for its turn to change the filters.
func (w *Watch) change(ctx context.Context) error {
	select {
	case w.changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.ctx.Done():
		return bus.ErrClosed
	}
	if w.ctx.Err() != nil {
		w.changed()
		return bus.ErrClosed
	}
	return nil
}

func (w *Watch) changed() { <-w.changing }

// fresh returns the filters that are not there yet, and whether the source
// does not have what they want.
func (w *Watch) fresh(options []FilterOption) (fresh []filter, needsFeed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fresh, err = w.filters.check(givenBy(options)); err != nil {
		return nil, false, err
	}
	for _, f := range fresh {
		key, ok := f.literal()
		needsFeed = needsFeed || !ok || key != w.key
	}
	return fresh, needsFeed && w.key != "" && w.next == nil, nil
}

// install makes the filters count above the revision, or above what has been
// decided without them, and has the feed, if there is one, relieve the source.
func (w *Watch) install(fresh []filter, feed *bus.Follower, revision uint64) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, bus.ErrClosed
	}
	revision = max(revision, w.passed)
	if len(fresh) > 0 {
		w.filters.add(fresh, revision)
	}
	if feed != nil {
		w.next, w.at = feed, revision
		w.now.Refresh()
		if w.interrupt != nil {
			w.interrupt()
		}
	}
	return revision, nil
}
