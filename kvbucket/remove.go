package kvbucket

import "context"

// Delete removes the key and tells whether it was there.
//
// Errors: ErrRevision with IfRevision; ErrEmptyKey, ErrInvalidKey, ErrDenied;
// those of bus.Conn.Call.
func (b *Bucket) Delete(ctx context.Context, key string, opts ...DeleteOption) (bool, error) {
	o := OpDelete(key, opts...).w
	if err := checkKey(key); err != nil {
		return false, err
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbDelete, &deleteRequest{b.name, key, o.If}, &a)
	return a.Changed, err
}

// DeleteRange removes the keys of a range, all at one revision and in key
// order, and returns how many there were.
//
// Errors: ErrTooLarge for more than fit in one transaction: delete parts of
// the range; ErrDenied; those of bus.Conn.Call.
func (b *Bucket) DeleteRange(ctx context.Context, r Range) (int, error) {
	res, _, err := b.one(ctx, OpDeleteRange(r))
	return res.Count, err
}

// DeleteRangeKeys is DeleteRange; it returns the keys there were, in order.
func (b *Bucket) DeleteRangeKeys(ctx context.Context, r Range) ([]string, error) {
	res, _, err := b.one(ctx, OpDeleteRange(r).WithKeys())
	return res.Keys, err
}

// Clear is DeleteRange of every key.
func (b *Bucket) Clear(ctx context.Context) (int, error) { return b.DeleteRange(ctx, Range{}) }

// Pop removes the key and returns the entry that was there.
//
// Errors: ErrNotFound when the key does not exist, unless there is a Default;
// those of Delete.
func (b *Bucket) Pop(ctx context.Context, key string, opts ...PopOption) (*Entry, error) {
	var f fallback
	for _, o := range opts {
		o.changePop(&f)
	}
	r, revision, err := b.one(ctx, OpPop(key))
	switch {
	case err != nil || r.Entry != nil:
		return r.Entry, err
	case f.given:
		return f.entry(b.name, key), nil
	}
	return nil, noKey(b.name, key, revision)
}

// PopRange removes the keys of a range, as DeleteRange, and returns the entries
// that were there, in key order.
//
// Errors: those of DeleteRange; ErrTooLarge also when the entries do not fit in
// one answer.
func (b *Bucket) PopRange(ctx context.Context, r Range) ([]*Entry, error) {
	res, _, err := b.one(ctx, OpPopRange(r))
	return res.Entries, err
}
