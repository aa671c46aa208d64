package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Bucket is one bucket of a host. Safe for concurrent use.
type Bucket struct {
	conn *bus.Conn
	name string
}

// Open returns a bucket; it sends nothing. The first write makes a bucket that
// is not there.
//
// Errors: ErrInvalidBucket unless name has 1 to 64 of A-Z a-z 0-9 _ - and does
// not begin with _.
func Open(c *bus.Conn, name string) (*Bucket, error) {
	if err := checkBucket(name); err != nil {
		return nil, err
	}
	return &Bucket{conn: c, name: name}, nil
}

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.name }

// GetOption changes one read.
type GetOption func(*getOptions)

type getOptions struct {
	at           *uint64
	serializable bool
}

// At reads everything as it was at a revision. What is no longer kept is
// ErrCompacted; a revision that has not been is a usage error.
func At(revision uint64) GetOption { return func(o *getOptions) { o.at = &revision } }

// Serializable allows an answer that is not the newest: no other engine is
// asked whether there is a newer one.
func Serializable() GetOption { return func(o *getOptions) { o.serializable = true } }

func getOptionsOf(opts []GetOption) (o getOptions) {
	for _, set := range opts {
		set(&o)
	}
	return o
}

// Get returns the key's newest version.
//
// Errors: ErrNotFound, also when the key is deleted; with At, ErrCompacted;
// ErrEmptyKey, ErrInvalidKey; those of bus.Conn.Call.
func (b *Bucket) Get(ctx context.Context, key string, opts ...GetOption) (*Entry, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	o := getOptionsOf(opts)
	var p page
	in := &getRequest{Bucket: b.name, Key: key, At: o.at, Serializable: o.serializable}
	if err := b.conn.Call(ctx, verbGet, in, &p, bus.Read()); err != nil {
		return nil, err
	}
	return p.only()
}

// only returns the entry of a page of one.
func (p *page) only() (*Entry, error) {
	if len(p.Changes) != 1 {
		return nil, bus.NewError(bus.CodeMalformed, "the host answered %d versions, not one", len(p.Changes))
	}
	return newEntry(p.Changes[0]), nil
}

// Condition is what IfRevision asks of a key. It is an option of writes.
type Condition struct{ revision uint64 }

// IfRevision makes a write fail with ErrRevision unless the key is at this
// revision; 0: unless it does not exist.
func IfRevision(revision uint64) Condition { return Condition{revision} }

// PutOption changes one Put.
type PutOption interface{ changePut(*putRequest) }

// DeleteOption changes one Delete.
type DeleteOption interface{ changeDelete(*deleteRequest) }

func (c Condition) changePut(r *putRequest)       { r.If = &c.revision }
func (c Condition) changeDelete(r *deleteRequest) { r.If = &c.revision }

// Put sets the key and returns the revision. The key keeps its owner.
//
// Errors: ErrRevision with IfRevision; ErrEmptyKey, ErrInvalidKey, ErrTooLarge,
// ErrDenied; bus.ErrFull; those of bus.Conn.Call.
func (b *Bucket) Put(ctx context.Context, key string, value []byte, opts ...PutOption) (uint64, error) {
	in := &putRequest{Bucket: b.name, Key: key, Value: value}
	for _, o := range opts {
		o.changePut(in)
	}
	return b.put(ctx, in)
}

// Create sets a key that does not exist and returns the revision.
//
// Errors: ErrExists; those of Put.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.put(ctx, &putRequest{Bucket: b.name, Key: key, Value: value, Create: true})
}

func (b *Bucket) put(ctx context.Context, in *putRequest) (uint64, error) {
	if err := checkAll(checkKey(in.Key), checkValue(in.Key, in.Value)); err != nil {
		return 0, err
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbPut, in, &a)
	return a.Revision, err
}

// Delete removes the key and tells whether it was there.
//
// Errors: ErrRevision with IfRevision; ErrEmptyKey, ErrInvalidKey, ErrDenied;
// those of bus.Conn.Call.
func (b *Bucket) Delete(ctx context.Context, key string, opts ...DeleteOption) (bool, error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	in := &deleteRequest{Bucket: b.name, Key: key}
	for _, o := range opts {
		o.changeDelete(in)
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbDelete, in, &a)
	return a.Changed, err
}

// KV is a key and its value.
type KV struct {
	Key   string
	Value []byte
}

// PutAll sets several keys, at most MaxOperations, in one transaction: all
// have the revision it returns, or none is set. No key may stand in kvs twice.
// With no kvs it changes nothing and returns the namespace's revision.
//
// Errors: ErrEmptyKey, ErrInvalidKey, ErrTooLarge, ErrDenied; bus.ErrFull;
// those of bus.Conn.Call.
func (b *Bucket) PutAll(ctx context.Context, kvs []KV) (uint64, error) {
	in := &putAllRequest{Bucket: b.name}
	for _, kv := range kvs {
		in.Keys, in.Values = append(in.Keys, kv.Key), append(in.Values, kv.Value)
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	var a writeAnswer
	err := b.conn.Call(ctx, verbPutAll, in, &a)
	return a.Revision, err
}

// check is what client and host ask of the request.
func (r *putAllRequest) check() error {
	switch {
	case len(r.Keys) != len(r.Values):
		return bus.NewError(bus.CodeMalformed, "%d keys with %d values", len(r.Keys), len(r.Values))
	case len(r.Keys) > MaxOperations:
		return bus.NewError(bus.CodeTooLarge, "%d keys in one transaction: at most %d are allowed", len(r.Keys), MaxOperations).WithHint("split it")
	}
	seen := make(map[string]bool, len(r.Keys))
	for i, key := range r.Keys {
		if err := checkAll(checkKey(key), checkValue(key, r.Values[i])); err != nil {
			return err
		}
		if seen[key] {
			return usage(ErrInvalidKey, "key %s stands twice in one transaction", shown(key))
		}
		seen[key] = true
	}
	return nil
}
