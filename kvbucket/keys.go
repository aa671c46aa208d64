package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Keys returns the keys of a range, in order, all at one revision: that of the
// first answer, or At.
//
// Errors: those of List.
func (b *Bucket) Keys(ctx context.Context, r Range, opts ...ListOption) ([]string, error) {
	o := listOptionsOf(opts)
	return again(o.at == nil, func() ([]string, error) { return b.keys(ctx, r, o) })
}

func (b *Bucket) keys(ctx context.Context, r Range, o listOptions) ([]string, error) {
	in, keys := o.request(b.name, r), []string{}
	for {
		var p keysPage
		if err := b.conn.Call(ctx, verbKeys, in, &p, bus.Read()); err != nil {
			return nil, err
		}
		keys = append(keys, p.Keys...)
		if !p.More || len(p.Keys) == 0 || !in.advance(p.Revision, keys[len(keys)-1], len(p.Keys)) {
			return keys, nil
		}
	}
}

// Count returns how many keys a range has.
//
// Errors: ErrCompacted, with At; those of bus.Conn.Call.
func (b *Bucket) Count(ctx context.Context, r Range, opts ...ReadOption) (int, error) {
	o := listOptions{readOptions: readOptionsOf(opts)}
	var a countAnswer
	err := b.conn.Call(ctx, verbCount, o.request(b.name, r), &a, bus.Read())
	return int(a.Count), err
}
