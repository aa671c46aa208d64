package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of the changes that a bucket keeps of each key.
const (
	DefaultHistory = 64
	MaxHistory     = 1024
)

// removeTries is how often RemoveBucket goes on although others put keys
// faster than it deletes them.
const removeTries = 32

// BucketConfig says how a bucket is kept.
type BucketConfig struct {
	// History is how many changes of each key are kept, the newest included, 1
	// to MaxHistory. Default: DefaultHistory.
	History int
}

// BucketInfo is what is known of a bucket.
type BucketInfo struct {
	Name     string
	History  int    // changes kept per key
	Declared bool   // by CreateBucket; else it came with its first key, or a layer has it
	ReadOnly bool   // a layer of the host writes it, nobody else
	Created  uint64 // revision of CreateBucket; 0: it is not declared
	Keys     int
	Bytes    int64  // of the host's memory, about: keys, their history, deleted keys
	Floor    uint64 // below it, parts of the past are no longer known; 0: nothing was dropped
}

// CreateBucket makes an empty bucket. A bucket that is not made comes with its
// first key and keeps DefaultHistory changes of each.
//
// Errors: ErrExists when it was made before, has keys, or remembers deleted
// ones; ErrInvalidBucket; ErrDenied for a layer's bucket; CodeUsage for a
// history that cannot be; CodeFull when the store has too many buckets; those of
// bus.Conn.Call.
func CreateBucket(ctx context.Context, c *bus.Conn, name string, cfg BucketConfig) error {
	if cfg.History == 0 {
		cfg.History = DefaultHistory
	}
	in := &createBucketRequest{Name: name, History: cfg.History}
	if err := in.check(); err != nil {
		return err
	}
	return c.Call(ctx, verbCreateBucket, in, nil)
}

// Buckets lists the buckets by name, those of layers too once something was
// written into them. It is read in parts: a bucket that comes or goes meanwhile
// may or may not be among them.
//
// Errors: those of bus.Conn.Call.
func Buckets(ctx context.Context, c *bus.Conn) ([]BucketInfo, error) {
	var list []BucketInfo
	for in := (&bucketsRequest{}); ; in.After = list[len(list)-1].Name {
		var a bucketsAnswer
		if err := c.Call(ctx, verbBuckets, in, &a, bus.Read()); err != nil {
			return nil, err
		}
		list = append(list, a.Buckets...)
		if !a.More || len(a.Buckets) == 0 {
			return list, nil
		}
	}
}

// Info describes the bucket.
//
// Errors: ErrNotFound when there is no such bucket; those of bus.Conn.Call.
func (b *Bucket) Info(ctx context.Context) (BucketInfo, error) {
	var i BucketInfo
	err := b.conn.Call(ctx, verbBucket, &bucketRequest{Name: b.name}, &i, bus.Read())
	return i, err
}

// RemoveBucket deletes every key of a bucket, in as many transactions as it
// takes, and then the bucket: what it was made with and all its history. A read
// of its past is ErrCompacted from then on (TestRemoveBucket). A key that comes
// meanwhile is deleted as well; one that comes later makes the bucket again, with
// the defaults.
//
// Errors: ErrNotFound when there is no such bucket; ErrInvalidBucket; ErrDenied
// for a layer's bucket; ErrRevision when others put keys as fast as they are
// deleted; those of bus.Conn.Call. After any but the first three, keys may be
// gone while the bucket is there.
func RemoveBucket(ctx context.Context, c *bus.Conn, name string) error {
	if err := checkBucket(name); err != nil {
		return err
	}
	var left uint64
	for first, tries := true, 0; ; first = false {
		var a removeBucketAnswer
		err := c.Call(ctx, verbRemoveBucket, &bucketRequest{Name: name}, &a)
		switch {
		case err != nil && !first && bus.CodeOf(err) == bus.CodeNotFound:
			return nil // somebody else had the last step
		case err != nil || a.Removed:
			return err
		case !first && a.Left >= left:
			tries++
		}
		if tries == removeTries {
			return bus.NewError(bus.CodeRevision, "bucket %s is not removed: others put keys as fast as they are deleted", name).
				WithRevision(a.Revision).WithHint("stop who writes it, and try again")
		}
		left = a.Left
	}
}
