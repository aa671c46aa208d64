package kvbucket

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// The compact verbs are operations of transactions in fewer bytes.

func (r *putRequest) op() *wireOp {
	o := &wireOp{Kind: opPut, Bucket: r.Bucket, Key: r.Key, Value: r.Value, Owner: r.Owner, If: r.If}
	switch {
	case r.Keep:
		o.Kind = opSetOwner
	case r.Create:
		o.Kind = opCreate
	}
	return o
}

func (r *putAllRequest) op() *wireOp {
	return &wireOp{Kind: opPutAll, Bucket: r.Bucket, Keys: r.Keys, Values: r.Values, Owner: r.Owner}
}

func (r *deleteRequest) op() *wireOp {
	return &wireOp{Kind: opDelete, Bucket: r.Bucket, Key: r.Key, If: r.If}
}

func (g guard) checkPut(in *putRequest) error       { return in.op().check(g.check) }
func (g guard) checkPutAll(in *putAllRequest) error { return in.op().check(g.check) }
func (g guard) checkDelete(in *deleteRequest) error { return in.op().check(g.check) }

func put(tx *engine.Tx, in *putRequest) (any, error) { return write(tx, in.op()) }

func putAll(tx *engine.Tx, in *putAllRequest) (any, error) {
	if len(in.Keys) == 0 {
		return &writeAnswer{Revision: tx.Revision() - 1}, nil
	}
	return write(tx, in.op())
}

// write does one operation that changes something or fails.
func write(tx *engine.Tx, o *wireOp) (any, error) {
	ev := evaluation{tx: tx}
	if _, err := ev.do(o); err != nil {
		return nil, err
	}
	return &writeAnswer{Revision: tx.Revision(), Changed: true}, nil
}

func remove(tx *engine.Tx, in *deleteRequest) (any, error) {
	ev := evaluation{tx: tx}
	res, err := ev.do(in.op())
	switch {
	case err != nil:
		return nil, err
	case res.Count == 0:
		return &writeAnswer{Revision: tx.Revision() - 1}, nil
	}
	return &writeAnswer{Revision: tx.Revision(), Changed: true}, nil
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

func keyExists(c *bus.Change) error {
	return bus.NewError(bus.CodeExists, "key %s exists in bucket %s, at revision %d", shown(c.Key), c.Bucket, c.Revision).
		WithRevision(c.Revision)
}
