package host_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// BenchmarkPutAmong: puts of existing keys in process, without the disk's sync,
// by one caller and by 64, in a bucket with few keys and in one with 1,000,000.
func BenchmarkPutAmong(b *testing.B) {
	for _, keys := range []int{1_000, 1_000_000} {
		bed := natstest.New(b, func(c *host.Config) { c.Durability = "fast" })
		bed.Unchecked()
		kv := benchBucket(b, bed.Direct())
		fill(b, kv, keys)
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("keys=%d/callers=%d", keys, callers), func(b *testing.B) {
				spread(b, callers, func(i int) error {
					_, err := kv.Put(context.Background(), benchKey(i*7919%keys), make([]byte, 64))
					return err
				})
			})
		}
	}
}

// BenchmarkLeasesEnd: 10,000 keys with a time to live of their own that ends
// at once: how long until all are gone, from when the first may go.
func BenchmarkLeasesEnd(b *testing.B) {
	const keys, ttl = 10_000, 5 * time.Second
	ctx := context.Background()
	for range b.N {
		bed := natstest.New(b)
		bed.Unchecked()
		kv := benchBucket(b, bed.Direct())
		var kvs []kvbucket.KV
		for i := range keys {
			kvs = append(kvs, kvbucket.KV{Key: benchKey(i), Value: []byte("x")})
		}
		for part := kvs; len(part) > 0; part = part[min(kvbucket.MaxOperations, len(part)):] {
			if _, err := kv.PutAll(ctx, part[:min(kvbucket.MaxOperations, len(part))], kvbucket.TTL(ttl)); err != nil {
				b.Fatal(err)
			}
		}
		due := time.Now().Add(ttl)
		w, err := kv.Watch(ctx, kvbucket.Kinds(bus.OpDelete))
		if err != nil {
			b.Fatal(err)
		}
		for gone := 0; gone < keys; {
			e, err := w.Next(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if e.Entry != nil {
				gone++
			}
		}
		b.ReportMetric(float64(time.Since(due).Milliseconds()), "ms-behind")
		w.Close()
	}
}
