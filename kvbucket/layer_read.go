package kvbucket

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of a page. One entry always fits, however large.
const (
	pageEntries = 1 << 13
	pageBytes   = 512 << 10
	entryBytes  = 64 // of an entry beside its key, value and owner
	keyBytes    = 5  // of a key beside its bytes
)

// add puts a version at the end of the page, unless there is no room.
func (p *page) add(c *bus.Change) bool {
	n := len(c.Key) + len(c.Value) + len(c.Owner) + entryBytes
	if len(p.Changes) > 0 && (len(p.Changes) == pageEntries || p.bytes+n > pageBytes) {
		p.Next = 1
		return false
	}
	p.Changes, p.bytes = append(p.Changes, c), p.bytes+n
	return true
}

func checkGet(in *getRequest) error     { return checkAll(checkBucket(in.Bucket), checkKey(in.Key)) }
func checkRange(in *rangeRequest) error { return checkBucket(in.Bucket) }
func checkHistory(in *historyRequest) error {
	return checkAll(checkBucket(in.Bucket), checkKey(in.Key))
}

func get(v *engine.View, in *getRequest) (any, error) {
	if in.At == nil {
		return in.answer(v.Revision(), v.Get(in.Bucket, in.Key))
	}
	c, err := v.GetAt(*in.At, in.Bucket, in.Key)
	switch {
	case bus.CodeOf(err) == bus.CodeCompacted && v.Shed(in.Bucket, in.Key, 0):
		return shownAt(v, in, err), nil
	case err != nil:
		return nil, err
	}
	return in.answer(*in.At, c)
}

// answer is the answer with a key's version as of a revision; nil: there is none.
func (r *getRequest) answer(revision uint64, c *bus.Change) (any, error) {
	if c == nil {
		return nil, noKey(r.Bucket, r.Key, revision)
	}
	if r.Bare {
		c = bare(c)
	}
	p := pageAt(revision)
	p.add(c)
	return &p.Page, nil
}

func noKey(bucket, key string, revision uint64) error {
	return bus.NewError(bus.CodeNotFound, "no key %s in bucket %s", shown(key), bucket).WithRevision(revision)
}

func list(v *engine.View, in *rangeRequest) (any, error) {
	p := pageAt(in.revision(v))
	return &p.Page, in.each(v, func(c *bus.Change) bool {
		if in.Limit > 0 && uint64(len(p.Changes)) == in.Limit {
			return false
		}
		if in.Bare {
			c = bare(c)
		}
		return p.add(c)
	})
}

func keys(v *engine.View, in *rangeRequest) (any, error) {
	p, bytes := &keysPage{Revision: in.revision(v)}, 0
	return p, in.each(v, func(c *bus.Change) bool {
		if in.Limit > 0 && uint64(len(p.Keys)) == in.Limit {
			return false
		}
		if bytes += len(c.Key) + keyBytes; bytes > pageBytes {
			p.More = true
			return false
		}
		p.Keys = append(p.Keys, c.Key)
		return true
	})
}

func count(v *engine.View, in *rangeRequest) (any, error) {
	a := &countAnswer{Revision: in.revision(v)}
	return a, in.each(v, func(*bus.Change) bool {
		a.Count++
		return true
	})
}

// revision is the one that the request reads.
func (r *rangeRequest) revision(v *engine.View) uint64 {
	if r.At != nil {
		return *r.At
	}
	return v.Revision()
}

// each calls fn for the keys of the range, in order, until it returns false.
func (r *rangeRequest) each(v *engine.View, fn func(*bus.Change) bool) error {
	if r.At != nil {
		return v.RangeAt(*r.At, r.Bucket, r.From, r.To, fn)
	}
	v.Range(r.Bucket, r.From, r.To, fn)
	return nil
}

func history(v *engine.View, in *historyRequest) (any, error) {
	if v.Shed(in.Bucket, in.Key, in.After) {
		return shownHistory(v, in), nil
	}
	return in.answer(v)
}

// answer is the answer with what is in memory.
func (r *historyRequest) answer(v *engine.View) (any, error) {
	p, kept := pageAt(v.Revision()), v.History(r.Bucket, r.Key)
	if len(kept) == 0 {
		return nil, noKey(r.Bucket, r.Key, p.Revision)
	}
	for _, c := range kept {
		if c.Revision > r.After && !p.add(c) {
			break
		}
	}
	return &p.Page, nil
}
