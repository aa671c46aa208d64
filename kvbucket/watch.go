package kvbucket

import (
	"context"
	"slices"
	"sync"

	"github.com/lwjbus/lwjbus/bus"
)

// Event is one change as one filter sees it, or a mark.
type Event struct {
	Entry    *Entry // nil: a mark
	Filter   string // name of the filter; "" in a watch without filters
	More     bool   // another event of the same transaction follows
	CaughtUp bool   // the mark, once: everything there was at the start has been returned
	Revision uint64 // of the entry; of a mark: everything up to it has been returned

	// Previous, with the option of that name, is the key's change before,
	// deletes included. Nil where Entry.Previous is 0: there was none. Nil
	// elsewhere: it is no longer kept, or the transaction replaced more than
	// MaxPrevious bytes.
	Previous *Entry
}

// Watch follows keys of a bucket. It has no goroutine of its own but that of
// its subscription.
type Watch struct {
	bucket   *Bucket
	options  watchOptions
	changing chan struct{} // holds an element while Add or Remove runs
	ctx      context.Context
	cancel   context.CancelFunc // by Close

	mu      sync.Mutex
	closed  bool
	filters filters
	passed  uint64 // what wants the changes up to it has been decided
	source         // where changes come from

	// of whoever calls Next
	request  replayRequest
	batch    *bus.Batch // taken from the source, not in pending yet
	pending  []Event
	spare    []Event // memory of pending, for the next batch
	caughtUp bool    // the mark has been returned
	seen     seen
}

// Watch follows the keys that the filters want, by default all of the bucket,
// from now on; it returns when no later change can be missed. An event that
// several filters want comes once for each, in their order.
//
// Errors: CodeUsage for Since with FromStart; ErrEmptyKey, ErrInvalidKey,
// ErrTooLarge for filters; those of bus.Conn.Follow.
func (b *Bucket) Watch(ctx context.Context, opts ...WatchOption) (*Watch, error) {
	o, err := watchOptionsOf(opts)
	if err != nil {
		return nil, err
	}
	w := &Watch{bucket: b, options: o, changing: make(chan struct{}, 1)}
	fresh, err := w.filters.check(o.filters)
	if err != nil {
		return nil, err
	}
	w.filters.add(fresh, 0)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.request = replayRequest{Bucket: b.name, Start: o.start, First: o.since || o.start, Kinds: o.kinds, KeysOnly: o.keysOnly && !o.changes}
	if key, ok := fresh[0].literal(); ok && len(fresh) == 1 && !reserved(b.name) {
		w.key = key
	}
	if w.now, _, err = w.follow(ctx, w.key, o.from, o.start, !o.since && !o.start); err != nil {
		w.cancel()
		return nil, err
	}
	return w, nil
}

// literal returns the key of a filter that is one.
func (f filter) literal() (string, bool) { return f.span.From, f.kind == filterKey }

// Next returns the next event; it waits for one until ctx ends. An end of ctx
// loses nothing. One goroutine calls it at a time.
//
// Errors: ErrCompacted when changes that are wanted are gone; CodeUsage where
// the watch begins at a revision that has not been; what else the host
// refuses; bus.ErrClosed after Close. These end the watch. Besides them the
// cause of the end of ctx.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	for len(w.pending) == 0 {
		if err := w.advance(ctx); err != nil {
			return Event{}, err
		}
	}
	if w.ctx.Err() != nil {
		return Event{}, bus.ErrClosed
	}
	e := w.pending[0]
	w.pending[0], w.pending = Event{}, w.pending[1:]
	return e, nil
}

// advance takes one batch from the source and makes events of it, if any
// filter still wants them.
func (w *Watch) advance(ctx context.Context) error {
	if w.batch == nil {
		b, err := w.receive(ctx)
		if err != nil {
			return err
		}
		w.batch = &b
	}
	before, err := w.before(ctx, w.batch.Changes)
	if err != nil {
		return err
	}
	w.pending = w.events(w.batch, before)
	w.batch = nil
	return nil
}

// maxSpare is how many events a watch keeps memory for between batches.
const maxSpare = 1024

// events are those of a batch. before has what each of its changes replaced,
// if that is wanted.
func (w *Watch) events(b *bus.Batch, before []*bus.Change) (events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events = slices.Grow(w.spare[:0], len(b.Changes))
	var names []string
	var piece []Entry
	for i, c := range b.Changes {
		var old *bus.Change
		if before != nil {
			old = before[i]
		}
		if w.options.changes && sameValue(old, c) {
			continue
		}
		if len(piece) == 0 {
			piece = make([]Entry, min(entryPiece, len(b.Changes)-i))
		}
		one := Event{Entry: w.entry(&piece[0], c), More: true, Revision: c.Revision}
		piece = piece[1:]
		if w.options.previous {
			one.Previous = w.entry(new(Entry), old)
		}
		names = w.filters.match(names[:0], c.Key, c.Revision)
		for _, one.Filter = range names {
			events = append(events, one)
		}
	}
	if cap(events) <= maxSpare {
		w.spare = events
	}
	if n := len(events); n > 0 {
		events[n-1].More = false
		return events
	}
	return w.mark(b)
}

// mark is the event of a batch that has no other.
func (w *Watch) mark(b *bus.Batch) []Event {
	first := b.CaughtUp && !w.caughtUp
	w.caughtUp = w.caughtUp || first
	if !first && !w.options.progress {
		return nil
	}
	return []Event{{CaughtUp: first, Revision: b.Revision}}
}

// entry makes e a change as the reader wants to see it.
func (w *Watch) entry(e *Entry, c *bus.Change) *Entry {
	if c == nil {
		return nil
	}
	*e = entryOf(c)
	if w.options.keysOnly {
		e.Value = nil
	}
	return e
}

// Close ends the watch: nothing more comes, and no goroutine is left. It may
// be called more than once, and while Next waits.
func (w *Watch) Close() error {
	w.cancel()
	w.mu.Lock()
	w.closed = true
	all := w.followers()
	w.mu.Unlock()
	for _, f := range all {
		f.Close()
	}
	return nil
}
