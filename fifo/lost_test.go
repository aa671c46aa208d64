package fifo_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
)

// TestPutOnce: with a third of all answers lost, each item is put once, and
// handed out and acknowledged once.
func TestPutOnce(t *testing.T) {
	t.Parallel()
	b, _ := overNetwork(t)
	c := b.connect(bus.Config{NATS: b.dial(), TryTimeout: 200 * time.Millisecond, RequestTimeout: patience})
	p := create(t, c, "p", fifo.Config{})
	r := p.reader()
	const producers, each = 4, 10
	lose := losing(rand.New(rand.NewPCG(1, 2)))
	b.lose.Store(&lose)
	var wg sync.WaitGroup
	for n := range producers {
		wg.Go(func() {
			for i := range each {
				if err := p.TryPutAll(p.ctx, data([]string{string(rune('a'+n)) + numbers(i, i)[0], "."})); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for got := 0; got < producers*each*2; {
		items, err := r.TryGetN(p.ctx, 7)
		check(t, err)
		for _, i := range items {
			seen[string(i.Data)]++
			same(t, 1, i.Deliveries)
		}
		got += len(items)
		check(t, r.Ack(p.ctx, items...))
	}
	none := func(string) bool { return false }
	b.lose.Store(&none)
	same(t, producers*each, seen["."])
	same(t, producers*each+1, len(seen))
	p.counts(0, 0, 0)
}

// losing loses the answers to a third of the requests about pipes.
func losing(r *rand.Rand) func(string) bool {
	var mu sync.Mutex
	return func(verb string) bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.HasPrefix(verb, "fifo.") && r.IntN(3) == 0
	}
}

// TestLateAnswer: a get whose answer was lost, and whose items were handed back
// before it was repeated, gets others.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{AckWait: fifo.MinAckWait})
		rs, closeAll := p.readers(1)
		defer closeAll()
		p.put("1")
		lost := 0
		lose := func(verb string) bool {
			if verb == "fifo.get" && lost < 2 { // and the next try finds the claim gone
				lost++
				return true
			}
			return false
		}
		b.lose.Store(&lose)
		item := rs[0].get()
		same(t, "1", string(item.Data))
		same(t, 2, item.Deliveries)
		check(t, item.Ack(p.ctx))
	})
}

// TestManyItemsReturn: a reader that ends with more than one transaction takes
// back hands all of it back, in order, also to the dead letters.
func TestManyItemsReturn(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{MaxDeliver: 2})
		const n = 4000
		for i := 0; i < n; i += 500 {
			check(t, p.PutAll(p.ctx, data(numbers(i+1, i+500))))
		}
		for range 2 {
			rs, closeAll := p.readers(1)
			for held := 0; held < n; {
				held += len(rs[0].getN(500))
			}
			closeAll()
			b.restart()
			sleep(time.Second) // the host goes on by itself
		}
		p.counts(0, 0, n)
		dead, err := p.Dead(p.ctx)
		check(t, err)
		same(t, words(numbers(1, n)), reader{dead, t, p.ctx}.take(n))
		check(t, dead.Close())
	})
}

// TestRemoveLarge: what a pipe held that is more than one transaction deletes
// goes by itself, and is not another pipe's.
func TestRemoveLarge(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{MaxItems: 20_000})
		for range 40 {
			check(t, p.PutAll(p.ctx, make([][]byte, fifo.MaxBatch-12)))
		}
		check(t, p.Remove(p.ctx))
		again := open(t, c, fifo.Config{})
		again.counts(0, 0, 0)
		again.put("x")
		b.restart()
		sleep(time.Second)
		again.counts(1, 0, 0)
		left := 0
		b.engine.Load().Snapshot().Range("lwj-fifo-item", "", nil, func(*bus.Change) bool { left++; return true })
		same(t, 1, left)
	})
}

// TestGetKeepsNoItems: what is handed out is not written to the log again.
func TestGetKeepsNoItems(t *testing.T) {
	t.Parallel()
	b, c := inProcess(t)
	p := create(t, c, "p", fifo.Config{})
	check(t, p.Put(p.ctx, make([]byte, fifo.MaxItem)))
	r := p.reader()
	before := b.engine.Load().Stats().Bytes.Load()
	item := r.get()
	same(t, fifo.MaxItem, len(item.Data))
	check(t, item.Ack(p.ctx))
	if n := b.engine.Load().Stats().Bytes.Load() - before; n > 4<<10 {
		t.Errorf("want a get and an acknowledgement in 4 KiB of log, got %d bytes", n)
	}
}

// TestBatchBytes: a batch has at most MaxBatchBytes, and one item at least.
func TestBatchBytes(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := create(t, c, "p", fifo.Config{})
	for range 6 {
		check(t, p.Put(p.ctx, make([]byte, fifo.MaxItem)))
	}
	r := p.reader()
	first := r.getN(fifo.MaxBatch)
	same(t, fifo.MaxBatchBytes/fifo.MaxItem, len(first))
	check(t, r.Nak(p.ctx, first...))
	same(t, 3, len(r.getN(3)))
	same(t, 3, len(r.getN(fifo.MaxBatch))) // a run that was handed back, and new ones
}
