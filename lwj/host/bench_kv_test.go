package host_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// BenchmarkTxn: transactions that read and condition one key and write four,
// of 128 bytes each, durable, in process and over the API, projection running.
func BenchmarkTxn(b *testing.B) {
	const keys = 4
	value := make([]byte, benchValue)
	for _, callers := range []int{1, 16, 64} {
		for _, over := range []string{"direct", "api"} {
			b.Run(fmt.Sprintf("synced/callers=%d/%s", callers, over), func(b *testing.B) {
				bed := natstest.New(b)
				bed.Unchecked()
				c := bed.Direct()
				if over == "api" {
					c = bed.Conn()
				}
				kv := benchBucket(b, c)
				spread(b, callers, func(i int) error {
					txn := kvbucket.Txn{If: []kvbucket.Cond{kvbucket.VersionIs(fmt.Sprint("k", i%1000), kvbucket.GreaterOrEqual, 0)}}
					for k := range keys {
						txn.Then = append(txn.Then, kvbucket.OpPut(fmt.Sprint("k", (i+k)%1000), value))
					}
					_, err := kv.Commit(context.Background(), txn)
					return err
				})
			})
		}
	}
}

// BenchmarkUpdate: fifty callers that add to one counter, durable, over the
// API: each try is one round trip, and all tries of a moment are one record.
func BenchmarkUpdate(b *testing.B) {
	bed := natstest.New(b)
	bed.Unchecked()
	kv := benchBucket(b, bed.Conn())
	spread(b, 50, func(int) error {
		_, err := kv.Update(context.Background(), "n", func(old *kvbucket.Entry) ([]byte, error) {
			n := 0
			if old != nil {
				if _, err := fmt.Sscan(string(old.Value), &n); err != nil {
					return nil, err
				}
			}
			return fmt.Append(nil, n+1), nil
		})
		return err
	})
}

// BenchmarkRange: lists of keys of 128 bytes over the API, and their keys only.
func BenchmarkRange(b *testing.B) {
	for _, keys := range []int{1_000, 10_000} {
		bed := natstest.New(b)
		bed.Unchecked()
		kv := benchBucket(b, bed.Conn())
		fillBucket(b, kv, keys)
		ctx := context.Background()
		for name, read := range map[string]func() (int, error){
			"list":  func() (int, error) { list, err := kv.List(ctx, kvbucket.Range{}); return len(list), err },
			"keys":  func() (int, error) { list, err := kv.Keys(ctx, kvbucket.Range{}); return len(list), err },
			"count": func() (int, error) { return kv.Count(ctx, kvbucket.Range{}) },
		} {
			b.Run(fmt.Sprintf("keys=%d/%s", keys, name), func(b *testing.B) {
				for b.Loop() {
					if n, err := read(); err != nil || n != keys {
						b.Fatalf("want %d keys, got %d, %v", keys, n, err)
					}
				}
				b.ReportMetric(float64(b.N*keys)/b.Elapsed().Seconds(), "keys/s")
			})
		}
	}
}

func fillBucket(b *testing.B, kv *kvbucket.Bucket, keys int) {
	b.Helper()
	var kvs []kvbucket.KV
	for i := range keys {
		kvs = append(kvs, kvbucket.KV{Key: fmt.Sprintf("k%06d", i), Value: make([]byte, benchValue)})
		if len(kvs) == kvbucket.MaxOperations || i == keys-1 {
			if _, err := kv.PutAll(context.Background(), kvs); err != nil {
				b.Fatal(err)
			}
			kvs = nil
		}
	}
}
