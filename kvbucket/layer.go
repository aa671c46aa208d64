package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Layer is what a host answers for buckets. The bucket "lwj", those whose
// names begin with "lwj-", and those that one of the other layers declares
// ReadOnly are read and watched here, and written there.
func Layer(others ...engine.Layer) engine.Layer {
	g := guard{}
	for _, l := range others {
		for _, b := range l.Buckets {
			if b.ReadOnly {
				g[b.Name] = l.Name
			}
		}
	}
	return engine.Layer{
		Name: "kv",
		Procedures: []engine.Procedure{
			engine.Write(verbPut, g.checkPut, put),
			engine.Write(verbPutAll, g.checkPutAll, putAll),
			engine.Write(verbDelete, g.checkDelete, remove),
		},
		Reads: []engine.Read{
			engine.ReadOf(verbGet, checkGet, get),
			engine.ReadOf(verbRange, checkRange, list),
			engine.ReadOf(verbHistory, checkHistory, history),
			engine.ReadOf(verbReplay, checkReplay, replay),
			engine.WaitOf(verbAwait, checkAwait, await),
			engine.WaitOf(verbRevision, nil, revision),
		},
	}
}

// guard names the layer that alone writes a bucket.
type guard map[string]string

func (g guard) check(bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	layer, ok := g[bucket]
	if !ok && reserved(bucket) {
		layer, ok = "lwj", true
	}
	if ok {
		return bus.NewError(bus.CodeDenied, "bucket %s is written by the %s layer only", bucket, layer)
	}
	return nil
}

func (g guard) checkPut(in *putRequest) error {
	return checkAll(g.check(in.Bucket), checkKey(in.Key), checkValue(in.Key, in.Value))
}

func (g guard) checkPutAll(in *putAllRequest) error {
	return checkAll(g.check(in.Bucket), in.check())
}

func (g guard) checkDelete(in *deleteRequest) error {
	return checkAll(g.check(in.Bucket), checkKey(in.Key))
}

func put(tx *engine.Tx, in *putRequest) (any, error) {
	c := tx.Get(in.Bucket, in.Key)
	if in.Create && c != nil {
		return nil, bus.NewError(bus.CodeExists, "key %s exists in bucket %s, at revision %d", shown(in.Key), in.Bucket, c.Revision).
			WithRevision(c.Revision)
	}
	if err := compare(c, in.Bucket, in.Key, in.If); err != nil {
		return nil, err
	}
	return &writeAnswer{Revision: tx.Put(in.Bucket, in.Key, in.Value).Revision, Changed: true}, nil
}

// compare refuses a write whose key is not at the wanted revision. c is the
// key's newest version, nil where it does not exist.
func compare(c *bus.Change, bucket, key string, want *uint64) error {
	var is uint64
	if c != nil {
		is = c.Revision
	}
	switch {
	case want == nil || is == *want:
		return nil
	case is == 0:
		return bus.NewError(bus.CodeRevision, "key %s of bucket %s does not exist; it should be at revision %d", shown(key), bucket, *want)
	case *want == 0:
		return bus.NewError(bus.CodeRevision, "key %s of bucket %s is at revision %d; it should not exist", shown(key), bucket, is).WithRevision(is)
	}
	return bus.NewError(bus.CodeRevision, "key %s of bucket %s is at revision %d, not %d", shown(key), bucket, is, *want).WithRevision(is)
}

func putAll(tx *engine.Tx, in *putAllRequest) (any, error) {
	if len(in.Keys) == 0 {
		return &writeAnswer{Revision: tx.Revision() - 1}, nil
	}
	for i, key := range in.Keys {
		tx.Put(in.Bucket, key, in.Values[i])
	}
	return &writeAnswer{Revision: tx.Revision(), Changed: true}, nil
}

func remove(tx *engine.Tx, in *deleteRequest) (any, error) {
	if err := compare(tx.Get(in.Bucket, in.Key), in.Bucket, in.Key, in.If); err != nil {
		return nil, err
	}
	if !tx.Delete(in.Bucket, in.Key, bus.ReasonDeleted) {
		return &writeAnswer{Revision: tx.Revision() - 1}, nil
	}
	return &writeAnswer{Revision: tx.Revision(), Changed: true}, nil
}

// revision answers the newest revision there is when it is high enough, or
// when the caller's patience ends.
func revision(ctx context.Context, v *engine.View, in *revisionRequest) (any, error) {
	// An error is the end of the wait: the caller asks again.
	if later, err := v.AwaitRevision(ctx, in.AtLeast); err == nil {
		v = later
	}
	return &writeAnswer{Revision: v.Revision()}, nil
}
