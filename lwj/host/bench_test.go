package host_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// The benchmarks of docs/performance.md. Raw is always a plain JetStream
// stream on a server of its own with the same fsync setting, asked in the same
// run.

const benchValue = 128 // bytes

// rawServer is a plain server; connect opens a connection over loopback TCP.
func rawServer(b *testing.B, synced bool) (connect func() *nats.Conn) {
	b.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: b.TempDir(), SyncAlways: synced, NoSigs: true, NoLog: true, MaxPayload: 16 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.Fatal("the server does not come up")
	}
	b.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return func() *nats.Conn {
		nc, err := nats.Connect(s.ClientURL())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		return nc
	}
}

func rawStream(b *testing.B, nc *nats.Conn) jetstream.JetStream {
	b.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "R", Subjects: []string{"r.>"}}); err != nil {
		b.Fatal(err)
	}
	return js
}

// spread runs b.N calls on a number of callers and reports ops/s.
func spread(b *testing.B, callers int, call func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

var durabilities = []struct {
	name   string
	synced bool
}{{"synced", true}, {"fast", false}}

// BenchmarkPut: puts of 128 bytes, durable and fast, raw, in process and over
// the API, projection running.
func BenchmarkPut(b *testing.B) {
	value := make([]byte, benchValue)
	for _, d := range durabilities {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d/raw", d.name, callers), func(b *testing.B) {
				js := rawStream(b, rawServer(b, d.synced)())
				spread(b, callers, func(i int) error {
					_, err := js.Publish(context.Background(), fmt.Sprint("r.", i%1000), value)
					return err
				})
			})
			for _, over := range []string{"direct", "api"} {
				b.Run(fmt.Sprintf("%s/callers=%d/%s", d.name, callers, over), func(b *testing.B) {
					bed := natstest.New(b, func(c *host.Config) { c.Durability = d.name })
					bed.Unchecked()
					c := bed.Direct()
					if over == "api" {
						c = bed.Conn()
					}
					kv := benchBucket(b, c)
					spread(b, callers, func(i int) error {
						_, err := kv.Put(context.Background(), fmt.Sprint("k", i%1000), value)
						return err
					})
				})
			}
		}
	}
}

func benchBucket(b *testing.B, c *bus.Conn) *kvbucket.Bucket {
	b.Helper()
	kv, err := kvbucket.Open(c, "kv")
	if err != nil {
		b.Fatal(err)
	}
	return kv
}

// BenchmarkEventLatency: from the call of a put to the event at a subscriber,
// durable: raw JetStream publish to a plain subscriber of the same subject
// after the acknowledgement order of the server, against put to Watch.
func BenchmarkEventLatency(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		connect := rawServer(b, true)
		js := rawStream(b, connect())
		got := make(chan struct{}, 1)
		sub := rawStreamConsumer(b, connect(), got)
		defer sub.Stop()
		latency(b, func(int) error {
			_, err := js.Publish(context.Background(), "r.x", make([]byte, benchValue))
			return err
		}, got)
	})
	b.Run("watch", func(b *testing.B) {
		bed := natstest.New(b)
		bed.Unchecked()
		kv := benchBucket(b, bed.Conn())
		w, err := benchBucket(b, bed.Conn()).Watch(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		got := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ev, err := w.Next(ctx); err == nil; ev, err = w.Next(ctx) {
				if !ev.CaughtUp {
					got <- struct{}{}
				}
			}
		})
		latency(b, func(int) error { _, err := kv.Put(context.Background(), "x", make([]byte, benchValue)); return err }, got)
		cancel()
		wg.Wait()
		w.Close()
	})
}

// rawStreamConsumer is the quickest durable subscriber of raw JetStream: an
// ordered consumer, which hears of a message once it is stored.
func rawStreamConsumer(b *testing.B, nc *nats.Conn, got chan<- struct{}) jetstream.ConsumeContext {
	b.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	c, err := js.OrderedConsumer(context.Background(), "R", jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	sub, err := c.Consume(func(jetstream.Msg) { got <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	return sub
}

func latency(b *testing.B, put func(i int) error, got <-chan struct{}) {
	b.Helper()
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		began := time.Now()
		if err := put(i); err != nil {
			b.Fatal(err)
		}
		<-got
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkTransitions: jobs of many launchers go through their states in
// bulk, durable, and one monitor sees every transition.
func BenchmarkTransitions(b *testing.B) {
	const launchers, batch = 16, 64
	bed := natstest.New(b)
	bed.Unchecked()
	ctx := context.Background()
	monitor, err := lwj.NewClient(bed.Conn()).Events(ctx, lwj.EventOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer monitor.Close()
	var seen atomic.Int64
	var wg sync.WaitGroup
	total := int64(b.N/4+1) * 4 // four transitions a job
	all := make(chan struct{})
	watch, stop := context.WithCancel(ctx)
	wg.Go(func() {
		for ev, err := monitor.Next(watch); err == nil; ev, err = monitor.Next(watch) {
			if ev.Kind == lwj.KindState && seen.Add(1) == total {
				close(all)
				return
			}
		}
	})
	jobs := atomic.Int64{}
	jobs.Store(total / 4)
	b.ResetTimer()
	for l := range launchers {
		wg.Go(func() {
			c := bed.Direct()
			for {
				n := min(batch, jobs.Add(-batch)+batch)
				if n <= 0 {
					return
				}
				if err := batchOfJobs(ctx, c, int(n)); err != nil {
					b.Errorf("launcher %d: %v", l, err)
					return
				}
			}
		})
	}
	<-all
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "transitions/s")
	stop()
	wg.Wait()
}

// batchOfJobs takes n jobs from their submission to their end.
func batchOfJobs(ctx context.Context, c *bus.Conn, n int) error {
	var ids lwj.SubmitAnswer
	req := lwj.SubmitRequest{External: lwj.Reserved, Specs: slices.Repeat([]lwj.Spec{lwj.NewSpec("true")}, n)}
	if err := c.Call(ctx, lwj.VerbSubmit, &req, &ids); err != nil {
		return err
	}
	for _, to := range []lwj.State{lwj.Starting, lwj.Running, lwj.Complete} {
		adv := lwj.AdvanceRequest{}
		for _, id := range ids.IDs {
			adv.Items = append(adv.Items, lwj.Advance{ID: id, To: to, Epoch: 1})
		}
		if err := c.Call(ctx, lwj.VerbAdvance, &adv, nil); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkMonitors: 1,000 followers of one bucket's feed, each on a plain
// subscription, against 1,000 plain subscriptions of the same messages: events
// handed on per second, all together, and bytes a follower costs the process.
func BenchmarkMonitors(b *testing.B) {
	const monitors = 1000
	for _, kind := range []string{"plain", "watch"} {
		b.Run(kind, func(b *testing.B) {
			bed := natstest.New(b)
			bed.Unchecked()
			kv := benchBucket(b, bed.Direct())
			var got atomic.Int64
			var stop []func()
			before := heap()
			conns := []*bus.Conn{bed.Conn(), bed.Conn(), bed.Conn(), bed.Conn()}
			for i := range monitors {
				stop = append(stop, follow(b, conns[i%len(conns)], kind, &got))
			}
			cost := heap() - before
			value := make([]byte, benchValue)
			b.ResetTimer()
			const batch = 512
			for i := range b.N {
				var kvs []kvbucket.KV
				for j := range batch {
					kvs = append(kvs, kvbucket.KV{Key: fmt.Sprint("k", i%16, ".", j), Value: value})
				}
				if _, err := kv.PutAll(context.Background(), kvs); err != nil {
					b.Fatal(err)
				}
				for want := int64(i+1) * batch * monitors; got.Load() < want; {
					runtime.Gosched() // a plain subscriber that is outrun loses messages for good
				}
			}
			b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(cost)/monitors, "heap-B/monitor")
			for _, f := range stop {
				f()
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// follow counts the events of bucket kv, as plain messages of its feed or
// through a watch.
func follow(b *testing.B, c *bus.Conn, kind string, got *atomic.Int64) (stop func()) {
	b.Helper()
	if kind == "plain" {
		sub, err := c.NATS().Subscribe(c.Names().Feed("kv"), func(m *nats.Msg) {
			var f bus.Feed
			if bus.Unmarshal(m.Data, &f) == nil {
				got.Add(int64(len(f.Changes)))
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.NATS().Flush(); err != nil {
			b.Fatal(err)
		}
		return func() { _ = sub.Unsubscribe() }
	}
	w, err := benchBucket(b, c).Watch(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ev, err := w.Next(context.Background()); err == nil; ev, err = w.Next(context.Background()) {
			if !ev.CaughtUp {
				got.Add(1)
			}
		}
	})
	return func() { w.Close(); wg.Wait() }
}

// BenchmarkRecovery: from the start of a host on a store of 1,000,000 keys to
// its first answer.
func BenchmarkRecovery(b *testing.B) {
	const keys, batch = 1_000_000, 512
	bed := natstest.New(b, func(c *host.Config) { c.Durability = "fast" })
	bed.Unchecked()
	kv := benchBucket(b, bed.Direct())
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for at := next.Add(batch) - batch; at < keys; at = next.Add(batch) - batch {
				var kvs []kvbucket.KV
				for i := at; i < at+batch; i++ {
					kvs = append(kvs, kvbucket.KV{Key: fmt.Sprintf("key-%07d", i), Value: make([]byte, 64)})
				}
				if _, err := kv.PutAll(context.Background(), kvs); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	before := heap()
	bed.Stop()
	b.ResetTimer()
	for range b.N {
		bed.Start()
		if _, err := benchBucket(b, bed.Direct()).Get(context.Background(), "key-0000001"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(before)/(1<<20), "heap-MiB")
		bed.Stop()
		b.StartTimer()
	}
	bed.Start()
}

// BenchmarkGet: a linearizable read of one key by one caller.
func BenchmarkGet(b *testing.B) {
	for _, over := range []string{"direct", "api"} {
		b.Run(over, func(b *testing.B) {
			bed := natstest.New(b)
			bed.Unchecked()
			c := bed.Direct()
			if over == "api" {
				c = bed.Conn()
			}
			kv := benchBucket(b, c)
			if _, err := kv.Put(context.Background(), "k", []byte("v")); err != nil {
				b.Fatal(err)
			}
			spread(b, 1, func(int) error { _, err := kv.Get(context.Background(), "k"); return err })
		})
	}
}
