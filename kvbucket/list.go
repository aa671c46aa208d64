package kvbucket

import (
	"context"
	"errors"

	"github.com/lwjbus/lwjbus/bus"
)

// readTries is how often a read of many pages begins anew because what it
// reads changes faster than its history is kept.
const readTries = 5

// List returns the newest versions of the keys of a range, in key order, all at
// one revision: that of the first answer, or At.
//
// Errors: ErrCompacted, with At, or when the keys change faster than they can
// be read; those of bus.Conn.Call.
func (b *Bucket) List(ctx context.Context, r Range, opts ...ListOption) ([]*Entry, error) {
	o := listOptionsOf(opts)
	return again(o.at == nil, func() ([]*Entry, error) { return b.list(ctx, r, o) })
}

// again calls read until it does not return ErrCompacted, if it may at all.
func again[T any](may bool, read func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		list, err := read()
		if !may || n == readTries || !errors.Is(err, ErrCompacted) {
			return list, err
		}
	}
}

func (b *Bucket) list(ctx context.Context, r Range, o listOptions) (list []*Entry, err error) {
	in := o.request(b.name, r)
	for {
		var p page
		if err := b.conn.Call(ctx, verbRange, in, &p.Page, bus.Read()); err != nil {
			return nil, err
		}
		list = appendEntries(list, p.Changes)
		if p.Next == 0 || len(p.Changes) == 0 || !in.advance(p.Revision, p.last().Key, len(p.Changes)) {
			return list, nil
		}
	}
}

// request asks for the first page of a range.
func (o *listOptions) request(bucket string, r Range) *rangeRequest {
	return &rangeRequest{
		Bucket: bucket, From: r.From, To: r.To, At: o.at, Serializable: o.serializable, Bare: o.bare, Limit: uint64(o.limit),
	}
}

// advance asks for the page behind one of n keys, at the same revision, unless
// that page was the last.
func (r *rangeRequest) advance(revision uint64, last string, n int) bool {
	r.At, r.From = &revision, after(last)
	if r.Limit == 0 {
		return true
	}
	r.Limit -= min(r.Limit, uint64(n))
	return r.Limit > 0
}

func (p *page) last() *bus.Change { return p.Changes[len(p.Changes)-1] }

// History returns the kept changes of the key, oldest first, deletes included:
// the last ones that its bucket keeps, or all there were, when Previous of the
// first is 0. It has fewer only when the host was short of memory and the key's
// NATS KV bucket does not show them.
//
// Errors: ErrNotFound when no change is kept; ErrCompacted when the key changes
// faster than its history can be read; ErrEmptyKey, ErrInvalidKey; those of
// bus.Conn.Call.
func (b *Bucket) History(ctx context.Context, key string) ([]*Entry, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return again(true, func() ([]*Entry, error) { return b.history(ctx, key) })
}

func (b *Bucket) history(ctx context.Context, key string) (list []*Entry, err error) {
	in := &historyRequest{Bucket: b.name, Key: key}
	for {
		var p page
		if err := b.conn.Call(ctx, verbHistory, in, &p.Page, bus.Read()); err != nil {
			return nil, err
		}
		if in.After != 0 && (len(p.Changes) == 0 || p.Changes[0].Previous != in.After) {
			return nil, bus.NewError(bus.CodeCompacted, "key %s changes faster than its history can be read", shown(key)).WithRevision(p.Revision)
		}
		list = appendEntries(list, p.Changes)
		if p.Next == 0 || len(p.Changes) == 0 {
			return list, nil
		}
		in.After = p.last().Revision
	}
}
