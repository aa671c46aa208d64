package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// BenchmarkMirror: a mirror of 1,000,000 keys with values of 64 bytes: how long
// it takes to load over the API and what it holds in memory, how many ranges
// of 1,000 and 10,000 keys it gives a second while nothing is asked of the
// host, and how soon it shows a write.
func BenchmarkMirror(b *testing.B) {
	const keys = 1_000_000
	bed := natstest.New(b, func(c *host.Config) { c.Durability = "fast" })
	bed.Unchecked()
	fill(b, benchBucket(b, bed.Direct()), keys)
	remote := benchBucket(b, bed.Conn())
	b.Run("load", func(b *testing.B) {
		for range b.N {
			before := heap()
			m := openMirror(b, remote)
			if n := m.Snapshot().Len(); n != keys {
				b.Fatalf("want %d keys, got %d", keys, n)
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
			m.Close()
			b.StartTimer()
		}
	})
	m := openMirror(b, remote)
	defer m.Close()
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("range=%d", n), func(b *testing.B) {
			for range b.N {
				at := rand.IntN(keys - n)
				if got := m.Snapshot().Count(kvbucket.Between(benchKey(at), benchKey(at+n))); got != n {
					b.Fatalf("want %d keys, got %d", n, got)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ranges/s")
		})
	}
	b.Run("write-to-read", func(b *testing.B) {
		for i := range b.N {
			r, err := remote.Put(context.Background(), benchKey(i%keys), []byte("new"))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := m.WaitRevision(context.Background(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func openMirror(b *testing.B, kv *kvbucket.Bucket) *kvbucket.Mirror {
	b.Helper()
	m, err := kv.Mirror(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func benchKey(i int) string { return fmt.Sprintf("key-%07d", i) }

// fill puts n keys with values of 64 bytes.
func fill(b *testing.B, kv *kvbucket.Bucket, n int) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			const batch = kvbucket.MaxOperations
			for at := int(next.Add(batch)) - batch; at < n; at = int(next.Add(batch)) - batch {
				var kvs []kvbucket.KV
				for i := at; i < min(at+batch, n); i++ {
					kvs = append(kvs, kvbucket.KV{Key: benchKey(i), Value: make([]byte, 64)})
				}
				if _, err := kv.PutAll(context.Background(), kvs); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
