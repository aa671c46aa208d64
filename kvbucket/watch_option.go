package kvbucket

import "github.com/lwjbus/lwjbus/bus"

// WatchOption changes one Watch.
type WatchOption interface{ changeWatch(*watchOptions) }

type watchOptions struct {
	filters  []filter
	from     uint64
	since    bool
	start    bool
	kinds    kinds
	keysOnly bool
	progress bool
	previous bool
	changes  bool
	events   int
	bytes    int64
}

type watchOption func(*watchOptions)

func (set watchOption) changeWatch(o *watchOptions) { set(o) }

func watchOptionsOf(opts []WatchOption) (o watchOptions, err error) {
	for _, opt := range opts {
		opt.changeWatch(&o)
	}
	if o.since && o.start {
		return o, bus.NewError(bus.CodeUsage, "a watch begins at a revision or at the start, not at both")
	}
	if len(o.filters) == 0 {
		o.filters = []filter{{}} // everything, without a name
	}
	return o, nil
}

// Since begins with the changes of a revision, inclusive. If a wanted key has
// changed since then more often than its history holds, or the host gave its
// past up for want of memory, the first Next returns ErrCompacted. The one
// after the newest is the highest there is: beyond it the first Next returns
// CodeUsage, as At does.
func Since(revision uint64) WatchOption {
	return watchOption(func(o *watchOptions) { o.from, o.since = revision, true })
}

// FromStart begins with the oldest changes that are kept, of every key: where
// it begins is never ErrCompacted. It is when a reader has come so slowly that
// the host has forgotten deletes which it has not seen (TestSlowFromStart).
func FromStart() WatchOption { return watchOption(func(o *watchOptions) { o.start = true }) }

// Kinds returns only changes of these operations. Default: all.
func Kinds(ops ...bus.Op) WatchOption {
	return watchOption(func(o *watchOptions) { o.kinds = kindsOf(ops) })
}

// KeysOnly leaves out the values.
func KeysOnly() WatchOption { return watchOption(func(o *watchOptions) { o.keysOnly = true }) }

// Progress also returns events without an entry, which tell up to which
// revision everything has been returned while nothing matched.
func Progress() WatchOption { return watchOption(func(o *watchOptions) { o.progress = true }) }

// Previous also returns what each change replaced, in Event.Previous. It costs
// a request for the transactions whose keys the watch has not seen of late.
func Previous() WatchOption { return watchOption(func(o *watchOptions) { o.previous = true }) }

// OnlyChanges leaves out each put whose value is the one that was there
// before, such as a change of owner only. What replaced nothing is returned,
// and what replaced a value that is no longer kept. It costs as Previous does.
func OnlyChanges() WatchOption { return watchOption(func(o *watchOptions) { o.changes = true }) }

// Buffer bounds what is held for a reader that is slow; beyond it the watch
// reads from the host at the reader's pace. Default: bus.DefaultMaxEvents,
// bus.DefaultMaxBytes.
func Buffer(events int, bytes int64) WatchOption {
	return watchOption(func(o *watchOptions) { o.events, o.bytes = events, bytes })
}

// kinds is a set of operations; the empty one is all of them.
type kinds uint8

func kindsOf(ops []bus.Op) (k kinds) {
	for _, op := range ops {
		k |= 1 << op
	}
	return k
}

func (k kinds) has(op bus.Op) bool { return k == 0 || k&(1<<op) != 0 }
