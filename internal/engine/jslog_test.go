package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// storeServer is a NATS server in this process whose store outlives it.
type storeServer struct {
	*server.Server
	t   testing.TB
	dir string
	mu  sync.Mutex
}

func newStoreServer(t testing.TB) *storeServer {
	t.Helper()
	s := &storeServer{t: t, dir: t.TempDir()}
	s.boot()
	t.Cleanup(s.stop)
	return s
}

func (s *storeServer) boot() {
	s.t.Helper()
	srv, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: s.dir, DontListen: true, NoSigs: true, NoLog: true, SyncAlways: true, MaxPayload: 16 << 20,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("the server does not come up")
	}
	s.mu.Lock()
	s.Server = srv
	s.mu.Unlock()
}

func (s *storeServer) stop() {
	s.Server.Shutdown()
	s.Server.WaitForShutdown()
}

// reboot stops the server and starts another one on its store.
func (s *storeServer) reboot() {
	s.stop()
	s.boot()
}

// connect opens a connection that finds the server again after a reboot.
func (s *storeServer) connect(opts ...nats.Option) *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect("", append(opts, nats.InProcessServer(current{s}), nats.MaxReconnects(-1),
		nats.ReconnectWait(5*time.Millisecond), nats.ReconnectJitter(0, 0))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// current hands out connections to the server that runs now.
type current struct{ *storeServer }

func (c current) InProcessConn() (net.Conn, error) {
	c.mu.Lock()
	srv := c.Server
	c.mu.Unlock()
	return srv.InProcessConn()
}

func newTestLog(t testing.TB) (*storeServer, *StreamLog) {
	t.Helper()
	s := newStoreServer(t)
	return s, openTestLog(t, s.connect(nats.ReconnectBufSize(-1)))
}

func openTestLog(t testing.TB, nc *nats.Conn) *StreamLog {
	t.Helper()
	streams := testStreams(t, nc)
	if _, err := streams.OpenLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := NewStreamLog(nc, streams.Names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func testStreams(t testing.TB, nc *nats.Conn) *Streams {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &Streams{Core: js, Names: bus.Names{Namespace: bus.DefaultNamespace}}
}

// appendWait appends and waits for the outcome.
func appendWait(l Log, after uint64, data []byte) (uint64, error) {
	type result struct {
		seq uint64
		err error
	}
	ch := make(chan result, 1)
	l.Append(after, data, func(seq uint64, err error) { ch <- result{seq, err} })
	r := <-ch
	return r.seq, r.err
}

func fillLog(t testing.TB, l Log, n int, data []byte) {
	t.Helper()
	for i := range n {
		if _, err := appendWait(l, uint64(i), data); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogAppendRead(t *testing.T) {
	t.Parallel()
	_, l := newTestLog(t)
	for i := range 5 {
		seq, err := appendWait(l, uint64(i), fmt.Append(nil, "r", i+1))
		if err != nil || seq != uint64(i+1) {
			t.Fatalf("want %d, got %d, %v", i+1, seq, err)
		}
	}
	var got []string
	last, err := l.Read(t.Context(), 2, func(seq uint64, data []byte) error {
		got = append(got, fmt.Sprintf("%d %s", seq, data))
		return nil
	})
	if want := "[2 r2 3 r3 4 r4 5 r5]"; err != nil || last != 5 || fmt.Sprint(got) != want {
		t.Fatalf("want %s up to 5, got %v up to %d, %v", want, got, last, err)
	}
	if last, err = l.Read(t.Context(), 6, nil); last != 5 || err != nil {
		t.Fatalf("want an empty read that ends at 5, got %d, %v", last, err)
	}
	stop := errors.New("stop")
	if _, err = l.Read(t.Context(), 1, func(uint64, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("want fn's error as it is, got %v", err)
	}
}

func TestLogLostCondition(t *testing.T) {
	t.Parallel()
	_, l := newTestLog(t)
	fillLog(t, l, 2, []byte("x"))
	if _, err := appendWait(l, 1, []byte("y")); !errors.Is(err, ErrLostCondition) {
		t.Fatalf("want ErrLostCondition, got %v", err)
	}
	if last, err := l.Last(t.Context()); last != 2 || err != nil {
		t.Fatalf("want 2, got %d, %v", last, err)
	}
}

func TestLogRefusals(t *testing.T) {
	t.Parallel()
	s, l := newTestLog(t)
	var refused *RefusedError
	if _, err := appendWait(l, 0, make([]byte, 17<<20)); !errors.As(err, &refused) {
		t.Fatalf("want a RefusedError for a record over max_payload, got %v", err)
	}
	if _, err := appendWait(l, 0, make([]byte, l.MaxRecord())); err != nil {
		t.Fatalf("want a record of MaxRecord bytes stored, got %v", err)
	}
	js, _ := jetstream.New(s.connect())
	for name, limit := range map[string]func(*jetstream.StreamConfig){
		"message size": func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10 },
		"messages":     func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 },
		"bytes":        func(c *jetstream.StreamConfig) { c.MaxBytes = 100 },
	} {
		info, err := streamInfo(t.Context(), js, l.stream)
		if err != nil {
			t.Fatal(err)
		}
		cfg := info.Config
		limit(&cfg)
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := appendWait(l, 1, []byte(strings.Repeat("x", 20))); !errors.As(err, &refused) {
			t.Errorf("%s: want a RefusedError, got %v", name, err)
		}
		if _, err := js.UpdateStream(t.Context(), info.Config); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogTrim(t *testing.T) {
	t.Parallel()
	_, l := newTestLog(t)
	if first, err := l.First(t.Context()); first != 1 || err != nil {
		t.Fatalf("want 1 for an empty log, got %d, %v", first, err)
	}
	fillLog(t, l, 6, []byte("x"))
	if err := l.Trim(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if first, _ := l.First(t.Context()); first != 3 {
		t.Fatalf("want 3 as the first kept, got %d", first)
	}
	if _, err := l.Read(t.Context(), 2, nil); !errors.Is(err, ErrHole) {
		t.Fatalf("want ErrHole below the first, got %v", err)
	}
	if err := l.Trim(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if first, _ := l.First(t.Context()); first != 6 {
		t.Fatalf("want the last record to stay, got first %d", first)
	}
}

func fillFrom(t testing.TB, l Log, after uint64, n int) {
	t.Helper()
	for i := range n {
		if _, err := appendWait(l, after+uint64(i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogHole(t *testing.T) {
	t.Parallel()
	s := newStoreServer(t)
	nc := s.connect()
	streams := testStreams(t, nc)
	cfg := streams.durable(streams.Names.LogStream(), streams.Names.LogSubject(), kindLog, "s")
	stream, err := streams.Core.CreateStream(t.Context(), cfg) // without DenyDelete
	if err != nil {
		t.Fatal(err)
	}
	l := openTestLog(t, nc)
	fillFrom(t, l, 0, 5)
	if err := stream.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	read := 0
	if _, err := l.Read(t.Context(), 0, func(uint64, []byte) error { read++; return nil }); !errors.Is(err, ErrHole) || read != 2 {
		t.Fatalf("want two records, then ErrHole, got %d, %v", read, err)
	}
}

func TestLogCutConnection(t *testing.T) {
	t.Parallel()
	s, l := newTestLog(t)
	stored := 0
	for i := range 20 {
		done := make(chan error, 1)
		last, err := l.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.Append(last, []byte("x"), func(_ uint64, err error) { done <- err })
		if i%2 == 0 {
			if err := l.nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
		var refused *RefusedError
		if err := <-done; err == nil {
			stored++
		} else if errors.As(err, &refused) {
			t.Fatalf("want doubt after a cut, got %v", err)
		}
	}
	s.reboot()
	last, err := l.Last(t.Context())
	if err != nil || last < uint64(stored) {
		t.Fatalf("want at least the %d acknowledged records after a restart, got %d, %v", stored, last, err)
	}
}

func TestLogNoServer(t *testing.T) {
	t.Parallel()
	s, l := newTestLog(t)
	s.stop()
	var refused *RefusedError
	if _, err := appendWait(l, 0, []byte("x")); err == nil || errors.As(err, &refused) || errors.Is(err, ErrLostCondition) {
		t.Fatalf("want doubt, got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := l.Last(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want the context's error, got %v", err)
	}
	s.boot()
}

func TestLogLateAck(t *testing.T) {
	t.Parallel()
	_, l := newTestLog(t)
	var mu sync.Mutex
	calls := 0
	l.mu.Lock()
	l.token++
	l.pending[l.token] = pendingAppend{func(uint64, error) { mu.Lock(); calls++; mu.Unlock() }, time.Now()}
	old := l.token
	l.mu.Unlock()
	l.giveUp(time.Now(), errAckTimeout)
	l.finish(old, 7, nil) // its acknowledgement comes after all
	if seq, err := appendWait(l, 0, []byte("x")); seq != 1 || err != nil {
		t.Fatalf("want the next append untouched, got %d, %v", seq, err)
	}
	if mu.Lock(); calls != 1 {
		t.Fatalf("want one call, got %d", calls)
	}
	mu.Unlock()
}

func TestLogClose(t *testing.T) {
	t.Parallel()
	_, l := newTestLog(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = l.Close() })
	}
	wg.Wait()
	if _, err := appendWait(l, 0, nil); !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("want ErrClosed, got %v", err)
	}
}

func TestParseAck(t *testing.T) {
	t.Parallel()
	refused := func(err error) bool { var r *RefusedError; return errors.As(err, &r) }
	doubt := func(err error) bool { return err != nil && !refused(err) && !errors.Is(err, ErrLostCondition) }
	for data, want := range map[string]func(error) bool{
		`{"stream":"L", "seq":12}`:                                                            func(err error) bool { return err == nil },
		`{"stream":"L", "domain":"hub", "seq":12}`:                                            func(err error) bool { return err == nil },
		`{"stream":"L", "seq":12,"duplicate": true}`:                                          doubt,
		`{"error":{"code":400,"err_code":10071,"description":"x"},"stream":"L","seq":0}`:      func(err error) bool { return errors.Is(err, ErrLostCondition) },
		`{"error":{"code":400,"err_code":10164,"description":"x"},"stream":"L","seq":0}`:      func(err error) bool { return errors.Is(err, ErrLostCondition) },
		`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`:      refused,
		`{"error":{"code":503,"err_code":10077,"description":"` + storeClosed + `"},"seq":0}`: doubt,
		`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`:      refused,
		`{"error":{"code":429,"err_code":10167,"description":"too many requests"},"seq":0}`:   doubt,
		`{"error":{"code":503,"err_code":10008,"description":"temporarily unavailable"}}`:     doubt,
		`{"stream":"L"}`: doubt, `{"stream":"L", "seq":`: doubt, `x`: doubt, ``: doubt,
	} {
		if _, err := parseAck(&nats.Msg{Data: []byte(data)}); !want(err) {
			t.Errorf("%s: got %v", data, err)
		}
	}
	if server.ErrStoreClosed.Error() != storeClosed {
		t.Errorf("want %q, got %q", server.ErrStoreClosed, storeClosed)
	}
}

func TestStreamsGuards(t *testing.T) {
	t.Parallel()
	s := newStoreServer(t)
	streams := testStreams(t, s.connect())
	ctx := t.Context()
	store, err := streams.OpenLog(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := streams.OpenLog(ctx); again != store || err != nil {
		t.Fatalf("want %s, got %s, %v", store, again, err)
	}
	if _, err := streams.OpenBucket(ctx, store, "b", 5, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := streams.Buckets(ctx, store); err != nil || fmt.Sprint(got) != "[b]" {
		t.Fatalf("want [b], got %v, %v", got, err)
	}
	if _, err := streams.OpenBucket(ctx, "another", "b", 5, 0); !errors.Is(err, ErrForeignStream) {
		t.Fatalf("want ErrForeignStream for another store, got %v", err)
	}
	if _, err := streams.Core.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "theirs"}); err != nil {
		t.Fatal(err)
	}
	if _, err := streams.OpenBucket(ctx, store, "theirs", 5, 0); !errors.Is(err, ErrForeignStream) {
		t.Fatalf("want ErrForeignStream, got %v", err)
	}
	if err := streams.Core.DeleteStream(ctx, streams.Names.LogStream()); err != nil {
		t.Fatal(err)
	}
	if _, err := streams.OpenLog(ctx); bus.CodeOf(err) != bus.CodeStore {
		t.Fatalf("want a store error for a log that is missing, got %v", err)
	}
	for _, open := range []func() error{
		func() error { return streams.OpenCheckpoints(ctx, store) },
		func() error { return streams.OpenOutput(ctx, store, 100, 1<<20) },
	} {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamsNewerFormat(t *testing.T) {
	t.Parallel()
	s := newStoreServer(t)
	streams := testStreams(t, s.connect())
	cfg := streams.durable(streams.Names.LogStream(), streams.Names.LogSubject(), kindLog, "s")
	cfg.Metadata[markFormat] = "2"
	if _, err := streams.Core.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	_, err := streams.OpenLog(t.Context())
	if bus.CodeOf(err) != bus.CodeStore || !strings.Contains(err.Error(), "newer version (format 2; this is format 1)") {
		t.Fatalf("want a newer format refused, got %v", err)
	}
}

func BenchmarkLogAppend(b *testing.B) {
	_, l := newTestLog(b)
	data := make([]byte, 512)
	b.ReportAllocs()
	done := make(chan error, 1)
	seq := uint64(0)
	for b.Loop() {
		l.Append(seq, data, func(_ uint64, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		seq++
	}
}

func BenchmarkLogAppendJetStream(b *testing.B) {
	_, l := newTestLog(b)
	data := make([]byte, 512)
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		if _, err := l.js.Publish(b.Context(), l.subject, data, jetstream.WithExpectLastSequence(seq)); err != nil {
			b.Fatal(err)
		}
		seq++
	}
}

func BenchmarkLogReadSmall(b *testing.B) { benchmarkRead(b, 100_000, 128) }
func BenchmarkLogReadLarge(b *testing.B) { benchmarkRead(b, 100, 8<<20-recordMargin) }

func benchmarkRead(b *testing.B, n, size int) {
	_, l := newTestLog(b)
	data := make([]byte, size)
	js, err := jetstream.New(l.nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		f, err := js.PublishAsync(l.subject, data, jetstream.WithStallWait(time.Minute))
		if err != nil {
			b.Fatal(err)
		}
		if size > 1<<20 || i == n-1 {
			<-f.Ok()
		}
	}
	b.SetBytes(int64(n * size))
	for b.Loop() {
		count := 0
		if _, err := l.Read(b.Context(), 1, func(uint64, []byte) error { count++; return nil }); err != nil || count != n {
			b.Fatal(count, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
