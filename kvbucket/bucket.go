package kvbucket

import (
	"context"
	"errors"

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

// Get returns the key's newest version.
//
// Errors: ErrNotFound, also when the key is deleted, unless there is a Default;
// with At, ErrCompacted; ErrEmptyKey, ErrInvalidKey; those of bus.Conn.Call.
func (b *Bucket) Get(ctx context.Context, key string, opts ...GetOption) (*Entry, error) {
	var o getOptions
	for _, set := range opts {
		set.changeGet(&o)
	}
	e, err := b.get(ctx, key, &o.readOptions)
	if o.given && errors.Is(err, ErrNotFound) {
		return o.entry(b.name, key), nil
	}
	return e, err
}

func (b *Bucket) get(ctx context.Context, key string, o *readOptions) (*Entry, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var p page
	in := &getRequest{Bucket: b.name, Key: key, At: o.at, Serializable: o.serializable, Bare: o.bare}
	if err := b.conn.Call(ctx, verbGet, in, &p.Page, bus.Read()); err != nil {
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

// Exists tells whether the key exists.
//
// Errors: those of Get but ErrNotFound.
func (b *Bucket) Exists(ctx context.Context, key string, opts ...ReadOption) (bool, error) {
	o := readOptionsOf(append(opts[:len(opts):len(opts)], MetaOnly()))
	_, err := b.get(ctx, key, &o)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
