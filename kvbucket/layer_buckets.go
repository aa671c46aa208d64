package kvbucket

import (
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

const (
	// removeBytes bounds one step of a removal by what its changes take in a
	// record: a key, removeOverhead, and the end of the lease it may have.
	removeBytes    = 512 << 10
	removeOverhead = 256
	// bucketsPerPage bounds a page of buckets.
	bucketsPerPage = 1000
)

// bucketsProcedures is what a host does to buckets as such.
func bucketsProcedures(g guard) []engine.Procedure {
	remove := engine.Write(verbRemoveBucket, func(in *bucketRequest) error { return g.check(in.Name) }, removeBucket)
	remove.Reserve = true // it frees memory
	return []engine.Procedure{
		engine.Write(verbCreateBucket, func(in *createBucketRequest) error { return checkAll(in.check(), g.check(in.Name)) }, createBucket),
		remove,
	}
}

// bucketsReads is what a host answers about buckets as such.
func bucketsReads(g guard) []engine.Read {
	return []engine.Read{
		engine.ReadOf(verbBuckets, nil, g.buckets),
		engine.ReadOf(verbBucket, func(in *bucketRequest) error { return checkBucket(in.Name) }, g.bucket),
	}
}

func createBucket(tx *engine.Tx, in *createBucketRequest) (any, error) {
	return nil, tx.DeclareBucket(in.Name, in.History)
}

// removeBucket drops a bucket without keys, and deletes some of one with keys.
func removeBucket(tx *engine.Tx, in *bucketRequest) (any, error) {
	err := tx.DropBucket(in.Name)
	if err != nil && (tx.Keys(in.Name) == 0 || bus.CodeOf(err) != bus.CodeUsage) {
		return nil, err
	}
	a := &removeBucketAnswer{Revision: tx.Revision(), Removed: err == nil}
	for _, key := range firstKeys(tx, in.Name, removeBytes) {
		tx.Delete(in.Name, key, bus.ReasonDeleted)
	}
	a.Left = uint64(tx.Keys(in.Name))
	return a, nil
}

// firstKeys returns the first keys of a bucket, as many as a step deletes.
func firstKeys(tx *engine.Tx, bucket string, room int) (keys []string) {
	tx.Range(bucket, "", nil, func(c *bus.Change) bool {
		if room -= len(bucket) + len(c.Key) + removeOverhead; room >= 0 {
			keys = append(keys, c.Key)
		}
		return room > 0
	})
	return keys
}

// buckets answers a page of buckets. Those of the engine itself, whose names
// begin with _, are none.
func (g guard) buckets(v *engine.View, in *bucketsRequest) (any, error) {
	a := &bucketsAnswer{}
	v.Buckets(func(name string) bool {
		if name <= in.After || strings.HasPrefix(name, "_") {
			return true
		}
		i, ok := g.info(v, name)
		switch {
		case !ok:
		case len(a.Buckets) == bucketsPerPage:
			a.More = true
		default:
			a.Buckets = append(a.Buckets, i)
		}
		return !a.More
	})
	return a, nil
}

func (g guard) bucket(v *engine.View, in *bucketRequest) (any, error) {
	i, ok := g.info(v, in.Name)
	if !ok {
		return nil, bus.NewError(bus.CodeNotFound, "there is no bucket %s", in.Name).WithRevision(v.Revision())
	}
	return i, nil
}

func (g guard) info(v *engine.View, name string) (BucketInfo, bool) {
	s, ok := v.BucketStat(name)
	return BucketInfo{
		Name: name, History: s.History, Declared: s.Declared, ReadOnly: g.check(name) != nil,
		Created: s.Created, Keys: s.Keys, Bytes: s.Bytes, Floor: s.Floor,
	}, ok
}
