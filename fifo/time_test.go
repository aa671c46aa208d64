package fifo_test

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// late is how late a timer may ring.
const late = 200 * time.Millisecond

// open is a pipe for a test in fake time, which closes what it opens.
func open(t *testing.T, c *bus.Conn, cfg fifo.Config) pipe {
	t.Helper()
	p, err := fifo.Create(t.Context(), c, "p", cfg)
	check(t, err)
	return pipe{p, t, t.Context(), c}
}

func (p pipe) readers(n int, opts ...fifo.ReaderOption) (out []reader, closeAll func()) {
	p.t.Helper()
	for range n {
		r, err := p.Reader(p.ctx, opts...)
		check(p.t, err)
		out = append(out, reader{r, p.t, p.ctx})
	}
	return out, func() {
		for _, r := range out {
			check(p.t, r.Close())
		}
	}
}

// TestAckWait: what is not acknowledged in time goes to the front, claim by
// claim; what is extended in time stays, also over a restart.
func TestAckWait(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		const wait = 30 * time.Second
		p := open(t, c, fifo.Config{AckWait: wait})
		rs, closeAll := p.readers(2)
		defer closeAll()
		p.put(numbers(1, 9)...)
		first := rs[0].getN(3)
		check(t, first[1].Ack(p.ctx))
		sleep(10 * time.Second)
		second := rs[0].getN(3)
		sleep(10 * time.Second)
		third := rs[0].getN(3)
		b.restart() // engine time goes on from the last record
		check(t, rs[0].Extend(p.ctx, second[0]))
		p.counts(0, 8, 0)
		sleep(10*time.Second - time.Millisecond)
		p.counts(0, 8, 0)
		sleep(late)
		p.counts(2, 6, 0)
		wantError(t, fifo.ErrNotHeld, first[0].Ack(p.ctx))
		same(t, "1 3", says(rs[1].getN(9)))
		sleep(20*time.Second - late - 10*time.Millisecond)
		p.counts(0, 8, 0)
		sleep(2 * late)
		p.counts(6, 2, 0)
		check(t, rs[1].Extend(p.ctx, rs[1].getN(4)...)) // 4 5 6 7
		for range 10 {
			sleep(wait)
		}
		same(t, words(numbers(1, 9)[:1])+" 3 4 5 6 7 8 9", says(rs[0].getN(9)))
		wantError(t, fifo.ErrNotHeld, third[0].Nak(p.ctx))
		wantError(t, fifo.ErrNotHeld, rs[0].Extend(p.ctx, second...))
	})
}

// TestNoAckWait: a pipe without AckWait waits for as long as the session lives,
// and no longer.
func TestNoAckWait(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{AckWait: fifo.NoAckWait})
		rs, closeAll := p.readers(1, fifo.WithSession(kvbucket.SessionConfig{TTL: 2 * time.Second}))
		p.put("1")
		item := rs[0].get()
		sleep(10 * time.Minute)
		b.restart()
		check(t, rs[0].Extend(p.ctx, item))
		p.counts(0, 1, 0)
		rs[0].Session().Orphan() // its process is killed
		sleep(time.Second)
		p.counts(0, 1, 0)
		sleep(3 * time.Second)
		p.counts(1, 0, 0)
		closeAll()
	})
}

// TestWriterLease: a writer that is killed counts as closed when its lease
// ends (P06).
func TestWriterLease(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{})
		rs, closeAll := p.readers(3, fifo.UntilWritersClose())
		defer closeAll()
		closed, err := p.Writer(p.ctx, kvbucket.SessionConfig{})
		check(t, err)
		killed, err := p.Writer(p.ctx, kvbucket.SessionConfig{TTL: 5 * time.Second})
		check(t, err)
		check(t, killed.Put(p.ctx, []byte("last")))
		check(t, closed.Close())
		killed.Session().Orphan()
		began := time.Now()
		var wg sync.WaitGroup
		var last sync.Map
		for i, r := range rs {
			wg.Go(func() {
				for {
					item, err := r.Get(p.ctx)
					if err != nil {
						wantError(t, io.EOF, err)
						return
					}
					last.Store(i, string(item.Data))
					check(t, item.Ack(p.ctx))
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d < 4*time.Second || d > 5*time.Second+2*time.Second {
			t.Errorf("want the end after a lease of 5s, got it after %v", d)
		}
		n := 0
		last.Range(func(any, any) bool { n++; return true })
		same(t, 1, n)
	})
}

// TestLongWait: a wait outlasts what a host holds a request for, keeps a
// caller's deadline, and goes on at the next host.
func TestLongWait(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		p := open(t, c, fifo.Config{})
		rs, closeAll := p.readers(1)
		defer closeAll()
		began := time.Now()
		_, err := rs[0].Get(withDeadline(t, p, 35*time.Second))
		wantError(t, bus.ErrTimeout, err)
		if d := time.Since(began); d < 35*time.Second || d > 35*time.Second+late {
			t.Errorf("want the end after 35s, got it after %v", d)
		}
		before := b.calls.Load()
		got := make(chan string, 1)
		go func() {
			item, err := rs[0].Get(p.ctx)
			if err == nil {
				err = item.Ack(p.ctx)
			}
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(item.Data)
		}()
		sleep(10 * time.Minute)
		if n := b.calls.Load() - before; n > 60+3*60+10 { // and three renewals of the session in 10 s
			t.Errorf("want one request in 10s, got %d in 10 minutes", n)
		}
		b.restart()
		sleep(time.Second)
		p.put("x")
		same(t, "x", <-got)
	})
}

// TestCrowded: what waits at the host is bounded in bytes, too: whoever is not
// held asks again until it is its turn.
func TestCrowded(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, b *bed, c *bus.Conn) {
		const puts = 18 // of 4 MiB, of which 64 MiB may wait
		p := open(t, c, fifo.Config{MaxBytes: fifo.MaxBatchBytes})
		rs, closeAll := p.readers(1)
		defer closeAll()
		batch := make([][]byte, fifo.MaxBatchBytes/fifo.MaxItem)
		for i := range batch {
			batch[i] = make([]byte, fifo.MaxItem)
		}
		check(t, p.PutAll(p.ctx, batch))
		var wg sync.WaitGroup
		for range puts {
			wg.Go(func() { check(t, p.PutAll(p.ctx, batch)) })
		}
		sleep(0)
		before := b.calls.Load()
		sleep(150 * time.Millisecond)
		if n := b.calls.Load() - before; n == 0 || n > 4 {
			t.Errorf("want 2 or 3 of the puts to ask again after 100ms, got %d requests", n)
		}
		for range puts + 1 {
			check(t, rs[0].Ack(p.ctx, rs[0].getN(len(batch))...))
		}
		wg.Wait()
		p.counts(0, 0, 0)
	})
}
