package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// BenchmarkPipe: items of 128 bytes from put to acknowledged, durable, with as
// many producers as consumers, one by one and in batches: over raw JetStream (a
// work-queue stream and one pull consumer; batches are published
// asynchronously, and their acknowledgements not waited for, which is less than
// the others do), in process, and over the API with one connection for
// producers and one for consumers.
func BenchmarkPipe(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		for _, batch := range []int{1, 100} {
			name := fmt.Sprintf("callers=%d/batch=%d", callers, batch)
			b.Run(name+"/raw", func(b *testing.B) { benchQueue(b, callers, batch) })
			b.Run(name+"/direct", func(b *testing.B) {
				bed := natstest.New(b)
				bed.Unchecked()
				benchPipe(b, bed.Direct(), bed.Direct(), callers, batch)
			})
			b.Run(name+"/api", func(b *testing.B) {
				bed := natstest.New(b)
				bed.Unchecked()
				benchPipe(b, bed.Conn(), bed.Conn(), callers, batch)
			})
		}
	}
}

// through runs b.N items through a queue: put gets the number of items to put,
// take takes some, and says how many.
func through(b *testing.B, callers, batch int, put func(n int) error, take func(worker int) (int, error)) {
	b.Helper()
	var left, taken atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range callers {
		wg.Go(func() {
			for n := left.Add(-int64(batch)); n > -int64(batch); n = left.Add(-int64(batch)) {
				if err := put(batch + int(min(n, 0))); err != nil {
					b.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for taken.Load() < int64(b.N) && !b.Failed() {
				n, err := take(i)
				if taken.Add(int64(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

// idle is how long a consumer that finds nothing waits before it looks whether
// all is done.
const idle = 100 * time.Millisecond

func benchPipe(b *testing.B, producers, consumers *bus.Conn, callers, batch int) {
	ctx := context.Background()
	p, err := fifo.Create(ctx, producers, "p", fifo.Config{})
	if err != nil {
		b.Fatal(err)
	}
	from, err := fifo.Open(ctx, consumers, "p")
	if err != nil {
		b.Fatal(err)
	}
	readers := make([]*fifo.Reader, callers)
	for i := range readers {
		if readers[i], err = from.Reader(ctx, fifo.WithSession(kvbucket.SessionConfig{TTL: time.Minute})); err != nil {
			b.Fatal(err)
		}
		defer readers[i].Close()
	}
	items := make([][]byte, batch)
	for i := range items {
		items[i] = make([]byte, benchValue)
	}
	through(b, callers, batch, func(n int) error { return p.PutAll(ctx, items[:n]) }, func(i int) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, idle)
		defer cancel()
		got, err := readers[i].GetN(ctx, batch)
		if errors.Is(err, bus.ErrTimeout) || errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return len(got), readers[i].Ack(context.WithoutCancel(ctx), got...)
	})
}

func benchQueue(b *testing.B, callers, batch int) {
	connect, ctx := rawServer(b, true), context.Background()
	producer, consumer := rawWorkQueue(b, connect(), connect(), max(batch*callers, 1000))
	value := make([]byte, benchValue)
	through(b, callers, batch, func(n int) error {
		if batch == 1 {
			_, err := producer.Publish(ctx, "q", value)
			return err
		}
		acks := make([]jetstream.PubAckFuture, 0, n)
		for range n {
			ack, err := producer.PublishAsync("q", value)
			if err != nil {
				return err
			}
			acks = append(acks, ack)
		}
		for _, ack := range acks {
			select {
			case <-ack.Ok():
			case err := <-ack.Err():
				return err
			}
		}
		return nil
	}, func(int) (n int, err error) {
		msgs, err := consumer.Fetch(batch, jetstream.FetchMaxWait(idle))
		if err != nil {
			return 0, err
		}
		for m := range msgs.Messages() {
			n++
			if batch == 1 {
				err = errors.Join(err, m.DoubleAck(ctx))
			} else {
				err = errors.Join(err, m.Ack())
			}
		}
		return n, err
	})
}

// rawWorkQueue is a durable work queue of plain JetStream.
func rawWorkQueue(b *testing.B, producers, consumers *nats.Conn, pending int) (jetstream.JetStream, jetstream.Consumer) {
	b.Helper()
	ctx := context.Background()
	js, err := jetstream.New(producers, jetstream.WithPublishAsyncMaxPending(pending))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "Q", Subjects: []string{"q"}, Retention: jetstream.WorkQueuePolicy}); err != nil {
		b.Fatal(err)
	}
	other, err := jetstream.New(consumers)
	if err != nil {
		b.Fatal(err)
	}
	c, err := other.CreateOrUpdateConsumer(ctx, "Q", jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: pending})
	if err != nil {
		b.Fatal(err)
	}
	return js, c
}
