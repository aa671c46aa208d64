package host_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// BenchmarkWatchers: 1,000 watches over the API, of which each wants something
// else: one key, which it follows by its own subject; a prefix, for which it
// filters the feed; ten keys of its own, likewise; one key with what was there
// before. Events returned per second, all together; each change of the bucket
// is an event of one watch.
func BenchmarkWatchers(b *testing.B) {
	const watchers, batch = 1000, 500
	for _, c := range []struct {
		name string
		opts func(i int) []kvbucket.WatchOption
	}{
		{"key", func(i int) []kvbucket.WatchOption { return []kvbucket.WatchOption{kvbucket.Keys(watchedKey(i, 0))} }},
		{"key+previous", func(i int) []kvbucket.WatchOption {
			return []kvbucket.WatchOption{kvbucket.Keys(watchedKey(i, 0)), kvbucket.Previous()}
		}},
		{"prefix", func(i int) []kvbucket.WatchOption {
			return []kvbucket.WatchOption{kvbucket.Prefixes(fmt.Sprintf("%03d.", i))}
		}},
		{"tenkeys", func(i int) (opts []kvbucket.WatchOption) {
			for k := range 10 {
				opts = append(opts, kvbucket.Keys(watchedKey(i, k)))
			}
			return opts
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			bed := natstest.New(b)
			bed.Unchecked()
			kv := benchBucket(b, bed.Direct())
			conns := []*bus.Conn{bed.Conn(), bed.Conn(), bed.Conn(), bed.Conn()}
			var got atomic.Int64
			var wg sync.WaitGroup
			for i := range watchers {
				w, err := benchBucket(b, conns[i%len(conns)]).Watch(context.Background(), c.opts(i)...)
				if err != nil {
					b.Fatal(err)
				}
				defer w.Close()
				wg.Go(func() { count(w, &got) })
			}
			value := make([]byte, benchValue)
			b.ResetTimer()
			for i := range b.N {
				kvs := make([]kvbucket.KV, batch)
				for j := range kvs {
					kvs[j] = kvbucket.KV{Key: watchedKey((i*batch+j)%watchers, 0), Value: value}
				}
				if _, err := kv.PutAll(context.Background(), kvs); err != nil {
					b.Fatal(err)
				}
				for want := int64(i+1) * batch; got.Load() < want; {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "events/s")
			b.StopTimer()
			for _, conn := range conns {
				conn.Close()
			}
			wg.Wait()
		})
	}
}

func watchedKey(watcher, k int) string { return fmt.Sprintf("%03d.%d", watcher, k) }

// count counts the events of a watch until it ends.
func count(w *kvbucket.Watch, got *atomic.Int64) {
	for e, err := w.Next(context.Background()); err == nil; e, err = w.Next(context.Background()) {
		if e.Entry != nil {
			got.Add(1)
		}
	}
}
