package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of buckets as such.
const (
	verbCreateBucket = "kv.bucket.create" // createBucketRequest
	verbBuckets      = "kv.bucket.list"   // bucketsRequest, bucketsAnswer
	verbBucket       = "kv.bucket.show"   // bucketRequest, BucketInfo
	verbRemoveBucket = "kv.bucket.remove" // bucketRequest, removeBucketAnswer
)

// createBucketRequest declares a bucket.
type createBucketRequest struct {
	Name    string
	History int
}

// bucketRequest names a bucket.
type bucketRequest struct{ Name string }

// bucketsRequest asks for the buckets whose names come after one.
type bucketsRequest struct{ After string }

// bucketsAnswer is a part of all buckets, by name.
type bucketsAnswer struct {
	Buckets []BucketInfo
	More    bool // the rest did not fit
}

// removeBucketAnswer says how far the removal has come.
type removeBucketAnswer struct {
	Revision uint64
	Removed  bool
	Left     uint64 // keys that are to be deleted yet
}

func (r *createBucketRequest) check() error {
	if r.History < 1 || r.History > MaxHistory {
		return bus.NewError(bus.CodeUsage, "a bucket keeps 1 to %d changes of a key, not %d", MaxHistory, r.History)
	}
	return checkBucket(r.Name)
}

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *createBucketRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.History)
}

func (r *createBucketRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Name, &r.History)
}

func (r *bucketRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.Name) }

func (r *bucketRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.Name)
}

func (r *bucketsRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.After) }

func (r *bucketsRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 0, &r.After)
}

func (a *bucketsAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Buckets, a.More)
}

func (a *bucketsAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Buckets, &a.More)
}

func (a *removeBucketAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Revision, a.Removed, a.Left)
}

func (a *removeBucketAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &a.Revision, &a.Removed, &a.Left)
}

// EncodeMsgpack writes the answer of a host.
func (i BucketInfo) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, i.Name, i.History, i.Declared, i.ReadOnly, i.Created, i.Keys, i.Bytes, i.Floor)
}

// DecodeMsgpack reads the answer of a host.
func (i *BucketInfo) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 8, &i.Name, &i.History, &i.Declared, &i.ReadOnly, &i.Created, &i.Keys, &i.Bytes, &i.Floor)
}
