package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// benchServer is a server that syncs each write, and a connection in process.
func benchServer(b *testing.B, synced bool) func() *nats.Conn {
	b.Helper()
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: b.TempDir(), DontListen: true, SyncAlways: synced, MaxPayload: 16 << 20, NoSigs: true})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	b.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return func() *nats.Conn {
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		return nc
	}
}

func parallel(b *testing.B, callers int, call func(i int)) {
	b.Helper()
	b.ResetTimer()
	var next atomic.Int64
	done := make(chan struct{})
	for range callers {
		go func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				call(int(i))
			}
			done <- struct{}{}
		}()
	}
	for range callers {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkRaw is what the engine is measured against: JetStream publishes of
// 128 bytes to the same server.
func BenchmarkRaw(b *testing.B) {
	for _, synced := range []bool{true, false} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("synced=%v/callers=%d", synced, callers), func(b *testing.B) {
				js, _ := jetstream.New(benchServer(b, synced)())
				if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "R", Subjects: []string{"r.>"}}); err != nil {
					b.Fatal(err)
				}
				data := make([]byte, 128)
				parallel(b, callers, func(i int) {
					if _, err := js.Publish(context.Background(), fmt.Sprint("r.", i%1000), data); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

// BenchmarkEngine is one put of 128 bytes per operation, in process.
func BenchmarkEngine(b *testing.B) {
	for _, synced := range []bool{true, false} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("synced=%v/callers=%d", synced, callers), func(b *testing.B) {
				e := benchEngine(b, benchServer(b, synced))
				value := string(make([]byte, 128))
				parallel(b, callers, func(i int) {
					body, _ := bus.Marshal(kvReq{Key: fmt.Sprint("k", i%1000), Value: value})
					if res := e.Call(context.Background(), "u", "put", &bus.Request{Body: body}); res.Error != nil {
						b.Error(res.Error)
					}
				})
			})
		}
	}
}

func benchEngine(b *testing.B, connect func() *nats.Conn) *engine.Engine {
	b.Helper()
	nc := connect()
	js, _ := jetstream.New(nc)
	names := bus.Names{Namespace: "lwj"}
	if _, err := (&engine.Streams{Core: js, Names: names}).OpenLog(context.Background()); err != nil {
		b.Fatal(err)
	}
	l, err := engine.NewStreamLog(nc, names)
	if err != nil {
		b.Fatal(err)
	}
	e, err := engine.Open(context.Background(), engine.Config{
		Log: l, StoreID: storeID, Layers: []engine.Layer{testLayer()}, Logger: slog.New(slog.DiscardHandler),
		Publish: engine.NewEvents(connect(), nil, slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close(); l.Close() })
	return e
}
