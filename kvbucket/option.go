package kvbucket

// GetOption changes one Get: a ReadOption, or Default.
type GetOption interface{ changeGet(*getOptions) }

// ListOption changes one List or Keys: a ReadOption, or Limit.
type ListOption interface{ changeList(*listOptions) }

// PopOption changes one Pop: Default.
type PopOption interface{ changePop(*fallback) }

// ReadOption changes any read.
type ReadOption struct{ change func(*readOptions) }

type readOptions struct {
	at           *uint64
	serializable bool
	bare         bool
}

type getOptions struct {
	readOptions
	fallback
}

type listOptions struct {
	readOptions
	limit int
}

func (r ReadOption) changeGet(o *getOptions)   { r.change(&o.readOptions) }
func (r ReadOption) changeList(o *listOptions) { r.change(&o.readOptions) }

func readOptionsOf(opts []ReadOption) (o readOptions) {
	for _, r := range opts {
		r.change(&o)
	}
	return o
}

func listOptionsOf(opts []ListOption) (o listOptions) {
	for _, set := range opts {
		set.changeList(&o)
	}
	return o
}

// At reads everything as it was at a revision. What is no longer kept is
// ErrCompacted; a revision that has not been is a usage error.
func At(revision uint64) ReadOption { return ReadOption{func(o *readOptions) { o.at = &revision }} }

// Serializable allows an answer that is not the newest: no other engine is
// asked whether there is a newer one.
func Serializable() ReadOption { return ReadOption{func(o *readOptions) { o.serializable = true }} }

// MetaOnly leaves the values out: Entry.Value is empty.
func MetaOnly() ReadOption { return ReadOption{func(o *readOptions) { o.bare = true }} }

// Limit returns the first n keys of the range only; 0 or less: all.
func Limit(n int) ListOption { return limit(n) }

type limit int

func (l limit) changeList(o *listOptions) { o.limit = max(0, int(l)) }

// DefaultOption is what Default makes.
type DefaultOption struct{ value []byte }

// Default has Get and Pop return an entry with this value, revision 0 and
// version 0, where the key does not exist.
func Default(value []byte) DefaultOption { return DefaultOption{value} }

// fallback is what stands for a missing key.
type fallback struct {
	given bool
	value []byte
}

func (d DefaultOption) changeGet(o *getOptions) { d.changePop(&o.fallback) }
func (d DefaultOption) changePop(f *fallback)   { f.given, f.value = true, d.value }

func (f *fallback) entry(bucket, key string) *Entry {
	return &Entry{Bucket: bucket, Key: key, Value: f.value}
}

// Condition is what IfRevision asks of a key. It is an option of writes.
type Condition struct{ revision uint64 }

// IfRevision makes a write fail with ErrRevision unless the key is at this
// revision; 0: unless it does not exist.
func IfRevision(revision uint64) Condition { return Condition{revision} }

// PutOption changes one Put: an OwnerOption, or IfRevision.
type PutOption interface{ changePut(*wireOp) }

// DeleteOption changes one Delete: IfRevision.
type DeleteOption interface{ changeDelete(*wireOp) }

func (c Condition) changePut(o *wireOp)    { o.If = &c.revision }
func (c Condition) changeDelete(o *wireOp) { o.If = &c.revision }
