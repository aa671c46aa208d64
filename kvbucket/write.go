package kvbucket

import "context"

// KV is a key and its value.
type KV struct {
	Key   string
	Value []byte
}

// Put sets the key and returns the revision. The key keeps its owner unless an
// OwnerOption says otherwise.
//
// Errors: ErrRevision with IfRevision; with an owner ErrNoOwner, ErrFenced,
// ErrInvalidOwner; ErrEmptyKey, ErrInvalidKey, ErrTooLarge, ErrDenied;
// bus.ErrFull; those of bus.Conn.Call.
func (b *Bucket) Put(ctx context.Context, key string, value []byte, opts ...PutOption) (uint64, error) {
	return b.put(ctx, OpPut(key, value, opts...))
}

// Create sets a key that does not exist and returns the revision. Without an
// OwnerOption it has no owner.
//
// Errors: ErrExists; those of Put.
func (b *Bucket) Create(ctx context.Context, key string, value []byte, owner ...OwnerOption) (uint64, error) {
	return b.put(ctx, OpCreate(key, value, owner...))
}

// SetOwner changes the key's owner only and returns the revision: a put of the
// value it has.
//
// Errors: ErrNotFound when the key does not exist; ErrInvalidOwner for an
// OwnerOption that says nothing; those of Put.
func (b *Bucket) SetOwner(ctx context.Context, key string, owner OwnerOption, opts ...PutOption) (uint64, error) {
	return b.put(ctx, OpSetOwner(key, owner, opts...))
}

// put sends an operation in the compact form of a put.
func (b *Bucket) put(ctx context.Context, o Op) (uint64, error) {
	o = o.In(b.name)
	if err := o.w.check(checkBucket); err != nil {
		return 0, err
	}
	in := &putRequest{
		Bucket: b.name, Key: o.w.Key, Value: o.w.Value, If: o.w.If, Create: o.w.Kind == opCreate,
		Owner: o.w.Owner, Keep: o.w.Kind == opSetOwner,
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbPut, in, &a)
	return a.Revision, err
}

// PutAll sets several keys, at most MaxOperations, in one transaction: all
// have the revision it returns, or none is set. No key may stand in kvs twice.
// With no kvs it changes nothing and returns the namespace's revision.
//
// Errors: those of Put.
func (b *Bucket) PutAll(ctx context.Context, kvs []KV, owner ...OwnerOption) (uint64, error) {
	o := OpPutAll(kvs, owner...).In(b.name).w
	if err := o.check(checkBucket); err != nil {
		return 0, err
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbPutAll, &putAllRequest{b.name, o.Keys, o.Values, o.Owner}, &a)
	return a.Revision, err
}

// Swap sets the key and returns the entry that was there before, nil for none.
// The key keeps its owner unless an OwnerOption says otherwise.
//
// Errors: those of Put.
func (b *Bucket) Swap(ctx context.Context, key string, value []byte, owner ...OwnerOption) (*Entry, error) {
	r, _, err := b.one(ctx, OpSwap(key, value, owner...))
	return r.Entry, err
}

// SetDefault sets a key that does not exist, and returns the entry that is
// there then: the new one, or the one that was there.
//
// Errors: those of Put.
func (b *Bucket) SetDefault(ctx context.Context, key string, value []byte, owner ...OwnerOption) (*Entry, error) {
	r, _, err := b.one(ctx, OpSetDefault(key, value, owner...))
	return r.Entry, err
}
