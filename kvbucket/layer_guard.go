package kvbucket

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// guard names the layer that alone writes a bucket.
type guard map[string]string

func newGuard(layers []engine.Layer) guard {
	g := guard{}
	for _, l := range layers {
		for _, b := range l.Buckets {
			if b.ReadOnly {
				g[b.Name] = l.Name
			}
		}
	}
	return g
}

// Writable makes the check of a layer that writes the buckets of users: whether
// a bucket and a key are ones that users may write. layers are those of the host.
func Writable(layers ...engine.Layer) func(bucket, key string) error {
	g := newGuard(layers)
	return func(bucket, key string) error { return checkAll(g.check(bucket), checkKey(key)) }
}

// check refuses a bucket that no user writes.
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
