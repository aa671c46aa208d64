package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of a page. One entry always fits, however large.
const (
	pageEntries = 1 << 13
	pageBytes   = 512 << 10
	entryBytes  = 64 // of an entry beside its key, value and owner
)

// add puts a version at the end of the page, unless there is no room.
func (p *page) add(c *bus.Change) bool {
	n := len(c.Key) + len(c.Value) + len(c.Owner) + entryBytes
	if len(p.Changes) > 0 && (len(p.Changes) == pageEntries || p.bytes+n > pageBytes) {
		p.More = true
		return false
	}
	p.Changes, p.bytes = append(p.Changes, c), p.bytes+n
	return true
}

func checkGet(in *getRequest) error     { return checkAll(checkBucket(in.Bucket), checkKey(in.Key)) }
func checkRange(in *rangeRequest) error { return checkBucket(in.Bucket) }
func checkAwait(in *keyRequest) error   { return checkAll(checkBucket(in.Bucket), checkKey(in.Key)) }
func checkHistory(in *historyRequest) error {
	return checkAll(checkBucket(in.Bucket), checkKey(in.Key))
}

func get(v *engine.View, in *getRequest) (any, error) {
	p, c := &page{Revision: v.Revision()}, (*bus.Change)(nil)
	if in.At == nil {
		c = v.Get(in.Bucket, in.Key)
	} else {
		var err error
		if c, err = v.GetAt(*in.At, in.Bucket, in.Key); err != nil {
			return nil, err
		}
		p.Revision = *in.At
	}
	if c == nil {
		return nil, noKey(in.Bucket, in.Key, p.Revision)
	}
	p.add(c)
	return p, nil
}

func noKey(bucket, key string, revision uint64) error {
	return bus.NewError(bus.CodeNotFound, "no key %s in bucket %s", shown(key), bucket).WithRevision(revision)
}

func list(v *engine.View, in *rangeRequest) (any, error) {
	p := &page{Revision: v.Revision()}
	if in.At == nil {
		v.Range(in.Bucket, in.From, in.To, p.add)
		return p, nil
	}
	p.Revision = *in.At
	return p, v.RangeAt(*in.At, in.Bucket, in.From, in.To, p.add)
}

func history(v *engine.View, in *historyRequest) (any, error) {
	p, kept := &page{Revision: v.Revision()}, v.History(in.Bucket, in.Key)
	if len(kept) == 0 {
		return nil, noKey(in.Bucket, in.Key, p.Revision)
	}
	for _, c := range kept {
		if c.Revision > in.After && !p.add(c) {
			break
		}
	}
	return p, nil
}

// await answers the key once it exists, or an empty page when the caller's
// patience ends.
func await(ctx context.Context, v *engine.View, in *keyRequest) (any, error) {
	for {
		p := &page{Revision: v.Revision()}
		if c := v.Get(in.Bucket, in.Key); c != nil {
			p.add(c)
			return p, nil
		}
		next, err := v.Await(ctx, in.Bucket, in.Key, v.Revision())
		if err != nil {
			return p, nil // the end of the wait: the caller asks again
		}
		v = next
	}
}
