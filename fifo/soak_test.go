package fifo_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// soakItems is the size of TestSoak; 200000 is a long one.
var soakItems = flag.Int("soak-items", 4000, "items of TestSoak")

// The soak.
const (
	soakProducers = 8
	soakConsumers = 8
	soakKills     = 6 // of consumers, with what they hold
	soakMaxItems  = 300
	soakMaxBytes  = 5000
)

// soak is one pipe, what was put into it, and what became of each item.
type soak struct {
	pipe
	bed    *natstest.Bed
	each   int // items of each producer
	killed atomic.Int64

	mu     sync.Mutex
	places map[uint64]string // data by place in the pipe
	acked  map[string]int
	doubt  map[string]bool // a killed consumer held it last that we know of
	twice  int             // handed out more than once
}

// TestSoak: producers and consumers at once, single and in batches, some of the
// consumers killed: each item is acknowledged once, is handed out again only
// where a consumer was killed that held it, each producer's items keep their
// order, and the bounds hold (P02).
func TestSoak(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	s := &soak{
		pipe: create(t, bed.Conn(), "soak", fifo.Config{MaxItems: soakMaxItems, MaxBytes: soakMaxBytes}), bed: bed, each: *soakItems / soakProducers,
		places: map[uint64]string{}, acked: map[string]int{}, doubt: map[string]bool{},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	s.ctx = ctx
	watching, stop := context.WithCancel(ctx)
	var producers, consumers, watch sync.WaitGroup
	watch.Go(func() { s.bounds(watching) })
	for n := range soakConsumers {
		consumers.Go(func() { s.consume(n) })
	}
	for n := range soakProducers {
		producers.Go(func() { s.produce(n) })
	}
	producers.Wait()
	check(t, s.CloseWriters(ctx))
	consumers.Wait()
	stop()
	watch.Wait()
	s.verify()
}

func (s *soak) produce(n int) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	w, err := s.Writer(s.ctx, kvbucket.SessionConfig{})
	if err != nil {
		s.t.Error(err)
		return
	}
	for i := 0; i < s.each; {
		batch := numbers(i, min(s.each, i+1+r.IntN(20))-1)
		for k, number := range batch {
			batch[k] = fmt.Sprint(n, ":", number)
		}
		if err := w.PutAll(s.ctx, data(batch)); err != nil {
			s.t.Error(err)
			return
		}
		i += len(batch)
	}
	if err := w.Close(); err != nil {
		s.t.Error(err)
	}
}

// consume reads to the end, with a new reader each time that it is killed.
func (s *soak) consume(n int) {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	for !s.read(r) {
	}
}

// read reads until the end, or a kill; true: the end.
func (s *soak) read(r *rand.Rand) bool {
	c := s.bed.Conn()
	reader, err := connected(s.ctx, c)
	if err != nil {
		s.t.Error(err)
		return true
	}
	for {
		items, err := reader.GetN(s.ctx, 1+r.IntN(30))
		if errors.Is(err, io.EOF) {
			return s.closed(reader)
		}
		if err != nil {
			s.t.Error(err)
			return true
		}
		s.got(items)
		if r.IntN(20) == 0 && s.killed.Add(1) <= soakKills {
			s.inDoubt(items)
			_ = c.Close() // the process is gone: nothing renews or ends its session
			reader.Session().Orphan()
			_ = reader.Close() // its goroutines end
			return false
		}
		half := r.IntN(len(items) + 1)
		for _, part := range [][]*fifo.Item{items[half:], items[:half]} {
			if err := reader.Ack(s.ctx, part...); err != nil {
				s.t.Error(err)
				return true
			}
			s.done(part)
		}
	}
}

func (s *soak) closed(r *fifo.Reader) bool {
	if err := r.Close(); err != nil {
		s.t.Error(err)
	}
	return true
}

// connected opens a reader whose session ends soon when it is not renewed.
func connected(ctx context.Context, c *bus.Conn) (*fifo.Reader, error) {
	p, err := fifo.Open(ctx, c, "soak")
	if err != nil {
		return nil, err
	}
	return p.Reader(ctx, fifo.WithSession(kvbucket.SessionConfig{TTL: 5 * time.Second}))
}

// got checks what was handed out.
func (s *soak) got(items []*fifo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, item := range items {
		if i > 0 && item.Seq <= items[i-1].Seq {
			s.t.Errorf("item %d is handed out behind %d", item.Seq, items[i-1].Seq)
		}
		if was, ok := s.places[item.Seq]; ok && (was != string(item.Data) || !s.doubt[was]) {
			s.t.Errorf("item %d, %s, is handed out again, as %s, and nobody was killed who held it", item.Seq, was, item.Data)
		}
		if item.Deliveries > 1 {
			s.twice++
		}
		s.places[item.Seq] = string(item.Data)
	}
}

func (s *soak) inDoubt(items []*fifo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		s.doubt[string(item.Data)] = true
	}
}

func (s *soak) done(items []*fifo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		s.acked[string(item.Data)]++
	}
}

// bounds looks at the pipe until the end.
func (s *soak) bounds(ctx context.Context) {
	for ctx.Err() == nil {
		i, err := s.Info(context.WithoutCancel(ctx))
		if err != nil {
			s.t.Error(err)
			return
		}
		if n := i.Ready + i.InFlight + i.Dead; n > soakMaxItems || i.Bytes > soakMaxBytes {
			s.t.Errorf("want at most %d items and %d bytes, got %d and %d", soakMaxItems, soakMaxBytes, n, i.Bytes)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (s *soak) verify() {
	s.t.Helper()
	total := soakProducers * s.each
	for item, n := range s.acked {
		if n != 1 {
			s.t.Errorf("item %s was acknowledged %d times", item, n)
		}
	}
	same(s.t, total, len(s.acked))
	same(s.t, total, len(s.places))
	var next [soakProducers]int
	for _, at := range slices.Sorted(maps.Keys(s.places)) {
		var n, i int
		_, err := fmt.Sscanf(s.places[at], "%d:%d", &n, &i)
		check(s.t, err)
		if i != next[n] {
			s.t.Fatalf("producer %d: want item %d next, got %d", n, next[n], i)
		}
		next[n]++
	}
	s.counts(0, 0, 0)
	i := s.info()
	same(s.t, [...]uint64{uint64(total), uint64(total), uint64(s.twice)}, [...]uint64{i.Put, i.Acknowledged, i.Returned})
	s.t.Logf("%d items, %d handed out again after %d kills", total, s.twice, min(s.killed.Load(), soakKills))
}
