package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// benchKeys is how many different keys are written.
const benchKeys = 1000

// bench is what is measured: a plain server, a host, and a client of it.
type bench struct {
	calls   map[string]func(ctx context.Context, n int) error
	closers []func() error
}

func (a *app) openBench(ctx context.Context, dir string, size int) (*bench, error) {
	b := &bench{calls: map[string]func(context.Context, int) error{}}
	value := make([]byte, size)
	if err := errors.Join(b.openRaw(ctx, filepath.Join(dir, "raw"), value), b.openHost(ctx, a, filepath.Join(dir, "host"), value)); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// openRaw starts a server with a stream of its own.
func (b *bench) openRaw(ctx context.Context, dir string, value []byte) error {
	s, err := embedded.Start(ctx, embedded.Config{Dir: dir, Durability: embedded.Synced})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, func() error { s.Shutdown(); return nil })
	nc, err := s.Core()
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "BENCH", Subjects: []string{"bench.>"}}); err != nil {
		return err
	}
	b.calls[benchRaw] = func(ctx context.Context, n int) error {
		_, err := js.Publish(ctx, "bench."+strconv.Itoa(n%benchKeys), value)
		return err
	}
	return nil
}

// openHost starts a host and connects to it in both ways.
func (b *bench) openHost(ctx context.Context, a *app, dir string, value []byte) error {
	h, err := host.Start(ctx, host.Config{Dir: dir, Namespace: a.namespace, Conn: a.busConfig(), Logger: a.log})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, h.Close)
	direct, err := h.Conn()
	if err != nil {
		return err
	}
	b.closers = append(b.closers, direct.Close)
	client, err := bus.DialLocal(ctx, dir, a.busConfig())
	if err != nil {
		return err
	}
	b.closers = append(b.closers, client.Close)
	for what, conn := range map[string]*bus.Conn{benchPut: direct, benchAPI: client} {
		bucket, err := kvbucket.Open(conn, "bench")
		if err != nil {
			return err
		}
		b.calls[what] = func(ctx context.Context, n int) error {
			_, err := bucket.Put(ctx, strconv.Itoa(n%benchKeys), value)
			return err
		}
	}
	return nil
}

// close ends what was opened, the last first.
func (b *bench) close() error {
	var errs []error
	for _, c := range slices.Backward(b.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// measured is what came of one measurement.
type measured struct {
	callers int
	elapsed time.Duration
	took    []time.Duration // by each operation, sorted
}

// measure calls call again and again from each of the callers, for d.
func measure(ctx context.Context, callers int, d time.Duration, call func(ctx context.Context, n int) error) (*measured, error) {
	if err := call(ctx, 0); err != nil { // connections and streams are there
		return nil, err
	}
	took := make([][]time.Duration, callers)
	errs := make([]error, callers)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { took[i], errs[i] = callFor(ctx, start.Add(d), i*benchKeys/callers, call) })
	}
	wg.Wait()
	m := &measured{callers: callers, elapsed: time.Since(start), took: slices.Concat(took...)}
	slices.Sort(m.took)
	return m, errors.Join(errs...)
}

func callFor(ctx context.Context, end time.Time, n int, call func(ctx context.Context, n int) error) (took []time.Duration, err error) {
	for now := time.Now(); now.Before(end) || len(took) == 0; n++ {
		if err := context.Cause(ctx); err != nil {
			return took, err
		}
		if err := call(ctx, n); err != nil {
			return took, err
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then))
	}
	return took, nil
}

func (m *measured) perSecond() float64 { return float64(len(m.took)) / m.elapsed.Seconds() }

// quantile is the time that percent of the operations did not exceed.
func (m *measured) quantile(percent int) time.Duration {
	if len(m.took) == 0 {
		return 0
	}
	return m.took[min(len(m.took)-1, len(m.took)*percent/100)]
}
