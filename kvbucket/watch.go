package kvbucket

import (
	"context"
	"sync/atomic"

	"github.com/lwjbus/lwjbus/bus"
)

// WatchOption changes one Watch.
type WatchOption func(*watchOptions)

type watchOptions struct {
	filters  []filter
	from     uint64
	since    bool
	start    bool
	kinds    kinds
	keysOnly bool
	progress bool
	events   int
	bytes    int64
}

// Keys adds a filter for each of the keys. Its name is "key:" and the key.
func Keys(keys ...string) WatchOption {
	return func(o *watchOptions) {
		for _, k := range keys {
			o.filters = append(o.filters, keyFilter(k))
		}
	}
}

// Prefixes adds a filter for each of the prefixes. Its name is "prefix:" and
// the prefix.
func Prefixes(prefixes ...string) WatchOption {
	return func(o *watchOptions) {
		for _, p := range prefixes {
			o.filters = append(o.filters, prefixFilter(p))
		}
	}
}

// Ranges adds a filter for each of the ranges. Its name is "range:", From, a
// comma and To.
func Ranges(ranges ...Range) WatchOption {
	return func(o *watchOptions) {
		for _, r := range ranges {
			o.filters = append(o.filters, rangeFilter(r))
		}
	}
}

// Since begins with the changes of a revision, inclusive. If a wanted key has
// changed since then more often than its history holds, the first Next returns
// ErrCompacted.
func Since(revision uint64) WatchOption {
	return func(o *watchOptions) { o.from, o.since = revision, true }
}

// FromStart begins with the oldest changes that are kept, of every key. It is
// never ErrCompacted.
func FromStart() WatchOption { return func(o *watchOptions) { o.start = true } }

// Kinds returns only changes of these operations. Default: all.
func Kinds(ops ...bus.Op) WatchOption { return func(o *watchOptions) { o.kinds = kindsOf(ops) } }

// KeysOnly leaves out the values.
func KeysOnly() WatchOption { return func(o *watchOptions) { o.keysOnly = true } }

// Progress also returns events without an entry, which tell up to which
// revision everything has been returned while nothing matched.
func Progress() WatchOption { return func(o *watchOptions) { o.progress = true } }

// Buffer bounds what is held for a reader that is slow; beyond it the watch
// reads from the host at the reader's pace. Default: bus.DefaultMaxEvents,
// bus.DefaultMaxBytes.
func Buffer(events int, bytes int64) WatchOption {
	return func(o *watchOptions) { o.events, o.bytes = events, bytes }
}

// Event is one change as one filter sees it, or a mark.
type Event struct {
	Entry    *Entry // nil: a mark
	Filter   string // name of the filter; "" in a watch without filters
	More     bool   // another event of the same transaction follows
	CaughtUp bool   // the mark, once: everything there was at the start has been returned
	Revision uint64 // of the entry; of a mark: everything up to it has been returned
}

// Watch follows keys of a bucket. It has no goroutine of its own but the
// subscription's.
type Watch struct {
	follower *bus.Follower
	conn     *bus.Conn
	filters  *filters
	kinds    kinds
	keysOnly bool
	closed   atomic.Bool

	// of whoever calls Next
	request replayRequest
	pending []Event
}

// Watch follows the keys that the filters want, by default all of the bucket,
// from now on; it returns when no later change can be missed. An event that
// several filters want comes once for each, in their order.
//
// Errors: CodeUsage for Since with FromStart; ErrEmptyKey, ErrInvalidKey,
// ErrTooLarge for filters; those of bus.Conn.Follow.
func (b *Bucket) Watch(ctx context.Context, opts ...WatchOption) (*Watch, error) {
	var o watchOptions
	for _, set := range opts {
		set(&o)
	}
	if o.since && o.start {
		return nil, bus.NewError(bus.CodeUsage, "a watch begins at a revision or at the start, not at both")
	}
	filters, err := newFilters(o.filters)
	if err != nil {
		return nil, err
	}
	w := &Watch{conn: b.conn, filters: filters, kinds: o.kinds, keysOnly: o.keysOnly}
	w.request = replayRequest{Bucket: b.name, Start: o.start, First: true, Kinds: o.kinds, KeysOnly: o.keysOnly}
	filters.request(&w.request)
	w.follower, err = b.conn.Follow(ctx, bus.FollowConfig{
		Bucket: b.name, Subject: b.subject(filters), From: o.from, Start: o.start, Now: !o.since && !o.start,
		Replay: w.replay, Match: w.match, Progress: o.progress, MaxEvents: o.events, MaxBytes: o.bytes,
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// subject is the one to follow: the key's own if the filters are one key.
func (b *Bucket) subject(f *filters) string {
	if key, ok := f.single(); ok && !reserved(b.name) {
		return b.conn.Names().Key(b.name, key)
	}
	return b.conn.Names().Feed(b.name)
}

// replay reads a page. Only the first one claims that nothing is compacted:
// later ones repair what was begun.
func (w *Watch) replay(ctx context.Context, from uint64) (*bus.Page, error) {
	w.request.From = from
	p := new(bus.Page)
	if err := w.conn.Call(ctx, verbReplay, &w.request, p, bus.Read()); err != nil {
		return nil, err
	}
	w.request.First = false
	w.request.Start = w.request.Start && p.Next != 0
	return p, nil
}

func (w *Watch) match(c *bus.Change) bool { return w.kinds.has(c.Op) && w.filters.wants(c.Key) }

// Next returns the next event; it waits for one until ctx ends. An end of ctx
// loses nothing. One goroutine calls it at a time.
//
// Errors: ErrCompacted when changes that are wanted are gone; what the host
// refuses; bus.ErrClosed after Close. These end the watch. Besides them the
// cause of the end of ctx.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	if len(w.pending) == 0 {
		b, err := w.follower.Next(ctx)
		if err != nil {
			return Event{}, err
		}
		w.pending = w.events(b)
	}
	if w.closed.Load() {
		return Event{}, bus.ErrClosed
	}
	e := w.pending[0]
	w.pending = w.pending[1:]
	return e, nil
}

// events are those of a batch, at least one.
func (w *Watch) events(b bus.Batch) []Event {
	if len(b.Changes) == 0 {
		return []Event{{CaughtUp: b.CaughtUp, Revision: b.Revision}}
	}
	var events []Event
	for _, c := range b.Changes {
		e := newEntry(c)
		if w.keysOnly {
			e.Value = nil
		}
		for _, name := range w.filters.match(c.Key) {
			events = append(events, Event{Entry: e, Filter: name, More: true, Revision: c.Revision})
		}
	}
	events[len(events)-1].More = false
	return events
}

// Close ends the watch: nothing more comes, and no goroutine is left. It may
// be called more than once, and while Next waits.
func (w *Watch) Close() error {
	w.closed.Store(true)
	return w.follower.Close()
}
