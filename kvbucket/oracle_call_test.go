package kvbucket_test

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// op is the operation of a call.
func (c call) op() (o kvbucket.Op) {
	value, owner := []byte(c.value), c.ownerOptions()
	var puts []kvbucket.PutOption
	for _, one := range owner {
		puts = append(puts, one)
	}
	var deletes []kvbucket.DeleteOption
	if c.is != nil {
		puts, deletes = append(puts, kvbucket.IfRevision(*c.is)), append(deletes, kvbucket.IfRevision(*c.is))
	}
	switch c.name {
	case "get":
		o = kvbucket.OpGet(c.at.key)
	case "exists":
		o = kvbucket.OpExists(c.at.key)
	case "getrange":
		o = kvbucket.OpGetRange(c.span)
	case "count":
		o = kvbucket.OpCount(c.span)
	case "keys":
		o = kvbucket.OpKeys(c.span)
	case "put":
		o = kvbucket.OpPut(c.at.key, value, puts...)
	case "setowner":
		o = kvbucket.OpSetOwner(c.at.key, owner[0], puts[1:]...)
	case "create":
		o = kvbucket.OpCreate(c.at.key, value, owner...)
	case "setdefault":
		o = kvbucket.OpSetDefault(c.at.key, value, owner...)
	case "swap":
		o = kvbucket.OpSwap(c.at.key, value, owner...)
	case "putall":
		o = kvbucket.OpPutAll(c.kvs(), owner...)
	case "pop":
		o = kvbucket.OpPop(c.at.key)
	case "delete":
		o = kvbucket.OpDelete(c.at.key, deletes...)
	case "poprange":
		o = kvbucket.OpPopRange(c.span)
	case "deleterange":
		o = kvbucket.OpDeleteRange(c.span)
	case "deletekeys":
		o = kvbucket.OpDeleteRange(c.span).WithKeys()
	}
	return o.In(c.at.bucket)
}

func (c call) kvs() (out []kvbucket.KV) {
	for _, key := range c.others {
		out = append(out, kvbucket.KV{Key: key, Value: []byte(c.value)})
	}
	return out
}

func (c call) ownerOptions() []kvbucket.OwnerOption {
	switch {
	case c.owner == nil:
		return nil
	case *c.owner == "":
		return []kvbucket.OwnerOption{kvbucket.NoOwner()}
	case *c.owner == ownerOfTTL:
		return []kvbucket.OwnerOption{kvbucket.TTL(time.Hour)}
	}
	return []kvbucket.OwnerOption{kvbucket.OwnedBy(kvbucket.Owner{ID: *c.owner})}
}

// method does the call by the bucket's method for it. Its result is that of the
// operation, where the method has one.
func (c call) method(b bucket) (r kvbucket.Result, err error) {
	value, owner, key := []byte(c.value), c.ownerOptions(), c.at.key
	var puts []kvbucket.PutOption
	for _, one := range owner {
		puts = append(puts, one)
	}
	var deletes []kvbucket.DeleteOption
	if c.is != nil {
		puts, deletes = append(puts, kvbucket.IfRevision(*c.is)), append(deletes, kvbucket.IfRevision(*c.is))
	}
	switch c.name {
	case "get":
		r.Entry, err = ignoreMissing(b.Get(b.ctx, key))
	case "exists":
		r.Exists, err = b.Exists(b.ctx, key)
	case "getrange":
		r.Entries, err = b.List(b.ctx, c.span)
	case "count":
		r.Count, err = b.Count(b.ctx, c.span)
	case "keys":
		r.Keys, err = b.Keys(b.ctx, c.span)
	case "put":
		_, err = b.Put(b.ctx, key, value, puts...)
	case "setowner":
		_, err = b.SetOwner(b.ctx, key, owner[0], puts[1:]...)
	case "create":
		_, err = b.Create(b.ctx, key, value, owner...)
	case "setdefault":
		r.Entry, err = b.SetDefault(b.ctx, key, value, owner...)
	case "swap":
		r.Entry, err = b.Swap(b.ctx, key, value, owner...)
	case "putall":
		_, err = b.PutAll(b.ctx, c.kvs(), owner...)
	case "pop":
		r.Entry, err = ignoreMissing(b.Pop(b.ctx, key))
	case "delete":
		var was bool
		if was, err = b.Delete(b.ctx, key, deletes...); was {
			r.Count = 1
		}
	case "poprange":
		r.Entries, err = b.PopRange(b.ctx, c.span)
	case "deleterange":
		r.Count, err = b.DeleteRange(b.ctx, c.span)
	case "deletekeys":
		r.Keys, err = b.DeleteRangeKeys(b.ctx, c.span)
		r.Count = len(r.Keys)
	}
	return r, err
}

func ignoreMissing(e *kvbucket.Entry, err error) (*kvbucket.Entry, error) {
	if bus.CodeOf(err) == bus.CodeNotFound {
		return nil, nil
	}
	return e, err
}

func (q question) cond() (c kvbucket.Cond) {
	key := q.at.key
	switch q.name {
	case "exists":
		c = kvbucket.KeyExists(key)
	case "missing":
		c = kvbucket.KeyMissing(key)
	case "registered":
		return kvbucket.Registered(kvbucket.Owner{ID: q.text})
	case "owner":
		c = kvbucket.OwnerIs(key, q.op, q.text)
	case "value":
		c = kvbucket.ValueIs(key, q.op, []byte(q.text))
	case "revision":
		c = kvbucket.RevisionIs(key, q.op, q.number)
	case "version":
		c = kvbucket.VersionIs(key, q.op, q.number)
	}
	return c.In(q.at.bucket)
}
