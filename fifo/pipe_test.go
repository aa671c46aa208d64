package fifo_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// pipeCase is one case of the suite.
type pipeCase struct {
	name string
	run  func(t *testing.T, b *bed, c *bus.Conn)
}

// TestPipe runs every case in process and over the network.
func TestPipe(t *testing.T) {
	t.Parallel()
	cases := []pipeCase{
		{"P01 put without a consumer", caseNoConsumer},
		{"P02 order of puts", caseOrder},
		{"P03 get on empty", caseEmpty},
		{"P03 put on full", caseFull},
		{"P03 a full pipe by bytes", caseFullBytes},
		{"P04 a consumer dies", caseConsumerDies},
		{"P05 poison", casePoison},
		{"P06 writers close", caseWritersClose},
		{"P06 readers hold each other", caseEndWaitsForOthers},
		{"P07 remove", caseRemove},
		{"P07 another of that name", caseRecreate},
		{"P10 refused", caseRefused},
		{"close", caseClose},
		{"a batch that waits is not passed", caseNotPassed},
		{"a wait that is given up", caseGivenUp},
		{"hand back", caseHandBack},
		{"acknowledge some", caseAckSome},
		{"auto-ack", caseAutoAck},
		{"close a reader", caseCloseReader},
		{"list", caseList},
	}
	for transport, open := range transports {
		for _, c := range cases {
			t.Run(transport+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				b, conn := open(t)
				c.run(t, b, conn)
			})
		}
	}
}

func caseNoConsumer(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "jobs to do", fifo.Config{})
	p.put("a", "", "c")
	b.restart()
	r := p.reader()
	same(t, "a", string(r.get().Data))
	second := r.get()
	if len(second.Data) != 0 || second.Seq != 2 || second.Deliveries != 1 || time.Since(second.Time) > patience {
		t.Fatalf("want the second item, empty, handed out once, got %+v", second)
	}
	same(t, "c", r.take(1))
	p.counts(0, 2, 0)
}

func caseOrder(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	check(t, p.PutAll(p.ctx, data(numbers(1, 500))))
	p.put(numbers(501, 520)...)
	r := p.reader()
	same(t, words(numbers(1, 7)), r.take(7))
	same(t, words(numbers(8, 519)), says(r.getN(fifo.MaxBatch)))
	same(t, "520", says(r.getN(fifo.MaxBatch)))
}

// within is a context that ends soon.
func (p pipe) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(p.ctx, d)
	p.t.Cleanup(cancel)
	return ctx
}

const soon = 50 * time.Millisecond

func caseEmpty(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	r := p.reader()
	_, err := r.TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err)
	_, err = r.Get(p.within(soon))
	wantError(t, bus.ErrTimeout, err)
	wantError(t, context.DeadlineExceeded, err)
	got := make(chan string, 2)
	for i := range 2 {
		go func() {
			item, err := r.Get(p.ctx)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(item.Data)
		}()
		b.blocked(i + 1)
	}
	p.put("x")
	same(t, "x", <-got)
	b.blocked(1)
	p.put("y")
	same(t, "y", <-got)
	p.counts(0, 2, 0)
}

func caseFull(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxItems: 3})
	p.put("1", "2", "3")
	wantError(t, fifo.ErrFull, p.TryPut(p.ctx, []byte("4")))
	err := p.Put(p.within(soon), []byte("4"))
	wantError(t, bus.ErrTimeout, err)
	done := make(chan error, 1)
	go func() { done <- p.Put(p.ctx, []byte("5")) }()
	b.blocked(1)
	r := p.reader()
	first := r.get()
	wantError(t, fifo.ErrFull, p.TryPut(p.ctx, []byte("4"))) // what is in flight counts
	b.blocked(1)
	check(t, first.Ack(p.ctx))
	check(t, <-done)
	same(t, "2 3 5", r.take(3))
	p.counts(0, 0, 0)
}

func caseFullBytes(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxBytes: 10})
	p.put("12345", "1234")
	wantError(t, fifo.ErrFull, p.TryPut(p.ctx, []byte("12")))
	p.put("1")
	same(t, int64(10), p.info().Bytes)
	p.put("") // it has no bytes
	same(t, "12345 1234 1 ", p.reader().take(4))
	same(t, int64(0), p.info().Bytes)
}

func caseConsumerDies(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put(numbers(1, 15)...)
	dying, r := p.reader(), p.reader()
	first := dying.getN(6)
	same(t, "7", r.take(1))
	rest := dying.getN(5)
	check(t, first[2].Ack(p.ctx)) // 3
	same(t, "8 9 10 11 12", says(rest))
	p.counts(3, 10, 0)
	check(t, kvbucket.EndOwner(p.ctx, c, dying.Session().Owner()))
	p.counts(13, 0, 0)
	all := r.getN(20)
	same(t, "1 2 4 5 6 8 9 10 11 12 13 14 15", says(all))
	for i, item := range all {
		if want := map[bool]int{true: 2, false: 1}[i < 10]; item.Deliveries != want {
			t.Errorf("item %s: want %d deliveries, got %d", item.Data, want, item.Deliveries)
		}
	}
	wantError(t, fifo.ErrNotHeld, first[0].Ack(p.ctx))
	_, err := dying.TryGet(p.ctx)
	wantError(t, fifo.ErrNoOwner, err)
}

func casePoison(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxDeliver: 3, MaxItems: 3})
	p.put("good", "poison", "last")
	r := p.reader()
	same(t, "good", r.take(1))
	for try := 1; try <= 3; try++ {
		item := r.get()
		if string(item.Data) != "poison" || item.Deliveries != try {
			t.Fatalf("want poison the %d. time, got %q the %d. time", try, item.Data, item.Deliveries)
		}
		check(t, item.Nak(p.ctx))
	}
	same(t, "last", r.take(1))
	p.counts(0, 0, 1)
	p.put("a", "b")
	wantError(t, fifo.ErrFull, p.TryPut(p.ctx, nil)) // a dead letter keeps its place
	dead := p.dead()
	letter := dead.get()
	if string(letter.Data) != "poison" || letter.Deliveries != 3 || letter.Seq != 2 {
		t.Fatalf("want poison, item 2, handed out 3 times, got %+v", letter)
	}
	check(t, letter.Nak(p.ctx))
	letter = dead.get()
	same(t, 3, letter.Deliveries)
	check(t, letter.Ack(p.ctx))
	_, err := dead.TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err)
	check(t, p.TryPut(p.ctx, nil))
}

func caseWritersClose(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	first, second := p.writer(0), p.writer(0)
	r := p.reader(fifo.UntilWritersClose())
	check(t, first.Put(p.ctx, []byte("1")))
	check(t, first.Close())
	check(t, first.Close())
	wantError(t, fifo.ErrNoOwner, first.TryPut(p.ctx, []byte("late")))
	same(t, "1", r.take(1))
	ended := make(chan error, 1)
	go func() {
		item, err := r.Get(p.ctx)
		if err == nil {
			_ = item.Ack(p.ctx)
			_, err = r.Get(p.ctx)
		}
		ended <- err
	}()
	b.blocked(1)
	check(t, second.Put(p.ctx, []byte("2")))
	b.blocked(1)
	same(t, 1, p.info().Writers)
	check(t, second.Close())
	wantError(t, io.EOF, <-ended)
	_, err := p.reader().TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err) // it did not ask for an end
	third := p.writer(0)
	_, err = r.TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err)
	check(t, third.Close())
}

func caseEndWaitsForOthers(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put("1", "2")
	check(t, p.CloseWriters(p.ctx))
	a, o := p.reader(), p.reader()
	mine, others := a.get(), o.get()
	ended := make(chan error, 2)
	go func() { _, err := a.Get(p.ctx); ended <- err }()
	b.blocked(1)
	check(t, others.Ack(p.ctx))
	wantError(t, io.EOF, <-ended)
	go func() { _, err := o.Get(p.ctx); ended <- err }()
	b.blocked(1)
	check(t, mine.Nak(p.ctx)) // it comes back, and goes to who waits
	check(t, <-ended)
	p.counts(0, 1, 0)
}

func caseRemove(t *testing.T, b *bed, c *bus.Conn) {
	full, empty := create(t, c, "full", fifo.Config{MaxItems: 2}), create(t, c, "empty", fifo.Config{})
	full.put("1", "2")
	r := full.reader()
	held := r.get()
	errs := make(chan error, 10)
	for range 5 {
		go func() { errs <- full.Put(full.ctx, []byte("x")) }()
		other := empty.reader()
		go func() { _, err := other.Get(full.ctx); errs <- err }()
	}
	b.blocked(10)
	check(t, full.Remove(full.ctx))
	check(t, empty.Remove(full.ctx))
	for range 10 {
		wantError(t, fifo.ErrRemoved, <-errs)
	}
	wantError(t, fifo.ErrRemoved, held.Ack(full.ctx))
	wantError(t, fifo.ErrRemoved, full.Remove(full.ctx))
	_, err := fifo.Open(full.ctx, c, "full")
	wantError(t, fifo.ErrNotFound, err)
	check(t, r.Close())
}

func caseRecreate(t *testing.T, _ *bed, c *bus.Conn) {
	old := create(t, c, "p", fifo.Config{})
	old.put("1")
	r := old.reader()
	r.get()
	check(t, old.Remove(old.ctx))
	p := create(t, c, "p", fifo.Config{MaxItems: 1})
	wantError(t, fifo.ErrRemoved, old.Put(old.ctx, []byte("2")))
	_, err := r.Get(old.ctx)
	wantError(t, fifo.ErrRemoved, err)
	_, err = old.Info(old.ctx)
	wantError(t, fifo.ErrRemoved, err)
	check(t, r.Close())
	p.counts(0, 0, 0)
}

func caseRefused(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxItems: 5, MaxBytes: 100})
	for _, name := range []string{"", "a\nb", "\x00", "a\xff", strings.Repeat("n", fifo.MaxName+1)} {
		_, err := fifo.Create(p.ctx, c, name, fifo.Config{})
		wantError(t, fifo.ErrInvalidName, err)
		same(t, bus.CodeUsage, bus.CodeOf(err))
		_, err = fifo.Open(p.ctx, c, name)
		wantError(t, fifo.ErrInvalidName, err)
	}
	for _, cfg := range []fifo.Config{{MaxItems: -1}, {MaxItems: fifo.MostItems + 1}, {MaxBytes: -1}, {AckWait: time.Millisecond}, {MaxDeliver: -1}} {
		_, err := fifo.Create(p.ctx, c, "q", cfg)
		same(t, bus.CodeUsage, bus.CodeOf(err))
	}
	before := p.info()
	_, err := fifo.Create(p.ctx, c, "p", fifo.Config{MaxItems: 6, MaxBytes: 100})
	wantError(t, fifo.ErrExists, err)
	again, err := fifo.Create(p.ctx, c, "p", fifo.Config{MaxItems: 5, MaxBytes: 100})
	check(t, err)
	same(t, p.ID, again.ID)
	for _, items := range [][][]byte{
		{make([]byte, fifo.MaxItem+1)}, {make([]byte, 101)}, {make([]byte, 50), make([]byte, 51)}, make([][]byte, 6), make([][]byte, fifo.MaxBatch+1), {},
	} {
		wantError(t, fifo.ErrTooLarge, p.PutAll(p.ctx, items))
	}
	if _, err := p.reader().GetN(p.ctx, fifo.MaxBatch+1); bus.CodeOf(err) != bus.CodeUsage {
		t.Fatalf("want %s, got %v", bus.CodeUsage, err)
	}
	same(t, *before, *p.info())
}

func caseClose(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxItems: 2})
	p.put("1", "2")
	put := make(chan error, 1)
	go func() { put <- p.Put(p.ctx, []byte("3")) }()
	b.blocked(1)
	check(t, p.CloseWriters(p.ctx))
	check(t, p.CloseWriters(p.ctx))
	wantError(t, fifo.ErrClosed, <-put)
	wantError(t, fifo.ErrClosed, p.TryPut(p.ctx, nil))
	_, err := p.Writer(p.ctx, kvbucket.SessionConfig{})
	wantError(t, fifo.ErrClosed, err)
	r := p.reader()
	same(t, "1 2", r.take(2))
	_, err = r.Get(p.ctx)
	wantError(t, io.EOF, err)
	_, err = p.dead().TryGet(p.ctx)
	wantError(t, io.EOF, err)
	same(t, true, p.info().Closed)
}

func caseNotPassed(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxItems: 4})
	p.put("1", "2", "3")
	done := make(chan string, 2)
	giveUp, cancel := context.WithCancel(p.ctx)
	put := func(ctx context.Context, items ...string) {
		if err := p.PutAll(ctx, data(items)); err == nil {
			done <- words(items)
		} else if !errors.Is(err, context.Canceled) {
			done <- err.Error()
		}
	}
	go put(giveUp, "a", "b", "c")
	b.blocked(1)
	wantError(t, fifo.ErrFull, p.TryPut(p.ctx, []byte("x")))
	go put(p.ctx, "y")
	b.blocked(2)
	p.counts(3, 0, 0)
	cancel() // who waited behind it need not wait
	same(t, "y", <-done)
	go put(p.ctx, "d", "e", "f")
	b.blocked(1)
	go put(p.ctx, "z")
	b.blocked(2)
	r := p.reader()
	same(t, "1 2", r.take(2))
	b.blocked(2)
	same(t, "3", r.take(1))
	same(t, "d e f", <-done)
	same(t, "y", r.take(1))
	same(t, "z", <-done)
	same(t, "d e f z", r.take(4))
}

func caseGivenUp(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{MaxItems: 1})
	p.put("1")
	why := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(p.ctx)
	errs := make(chan error, 1)
	go func() { errs <- p.Put(ctx, []byte("2")) }()
	b.blocked(1)
	cancel(why)
	wantError(t, why, <-errs)
	b.blocked(0)
	r := p.reader()
	same(t, "1", r.take(1))
	ctx, cancel = context.WithCancelCause(p.ctx)
	go func() { _, err := r.Get(ctx); errs <- err }()
	b.blocked(1)
	cancel(why)
	wantError(t, why, <-errs)
	b.blocked(0)
	p.put("3")
	p.counts(1, 0, 0)
	wantError(t, why, p.Put(ctx, []byte("never")))
}

func caseHandBack(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put(numbers(1, 6)...)
	a, o := p.reader(), p.reader()
	one, two := a.getN(2), o.getN(2)
	check(t, o.Nak(p.ctx, two...))
	check(t, one[0].Nak(p.ctx))
	same(t, "1 3 4 5", says(o.getN(4)))
	check(t, one[1].Nak(p.ctx))
	same(t, "2 6", says(o.getN(4)))
	got := make(chan error, 1)
	p.put("7")
	seven := a.get()
	go func() { _, err := o.Get(p.ctx); got <- err }()
	b.blocked(1)
	check(t, seven.Nak(p.ctx))
	check(t, <-got)
	wantError(t, fifo.ErrNotHeld, seven.Nak(p.ctx))
}

func caseAckSome(t *testing.T, _ *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put(numbers(1, 10)...)
	r := p.reader()
	first, second := r.getN(5), r.getN(5)
	check(t, r.Ack(p.ctx, second[4], first[1], second[0], first[3], first[1]))
	p.counts(0, 6, 0)
	wantError(t, fifo.ErrNotHeld, r.Ack(p.ctx, first[0], first[1])) // all or none
	p.counts(0, 6, 0)
	check(t, r.Extend(p.ctx, first[0], second[2]))
	check(t, r.Ack(p.ctx, first[0], first[2], first[4]))
	check(t, r.Nak(p.ctx, second[1:4]...))
	same(t, "7 8 9", says(r.getN(9)))
	i := p.info()
	same(t, [...]uint64{10, 7, 3, 0}, [...]uint64{i.Put, i.Acknowledged, i.Returned, i.Buried})
}

func caseAutoAck(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put("1", "2", "3")
	r := p.reader(fifo.AutoAck())
	same(t, "1", string(r.get().Data))
	same(t, "2 3", says(r.getN(5)))
	p.counts(0, 0, 0)
	check(t, r.Close())
	b.restart()
	_, err := p.reader().TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err)
}

func caseCloseReader(t *testing.T, b *bed, c *bus.Conn) {
	p := create(t, c, "p", fifo.Config{})
	p.put("1", "2")
	r := p.reader()
	held := r.getN(2)
	got := make(chan error, 1)
	go func() { _, err := r.Get(p.ctx); got <- err }()
	b.blocked(1)
	check(t, r.Close())
	wantError(t, bus.ErrClosed, <-got)
	_, err := r.TryGet(p.ctx)
	wantError(t, bus.ErrClosed, err)
	wantError(t, fifo.ErrNotHeld, held[0].Ack(p.ctx))
	same(t, "1 2", p.reader().take(2))
	check(t, r.Close())
}

func caseList(t *testing.T, _ *bed, c *bus.Conn) {
	for _, name := range []string{"b", "a", "é b"} {
		create(t, c, name, fifo.Config{MaxItems: 7, AckWait: fifo.NoAckWait})
	}
	p, err := fifo.Open(t.Context(), c, "a")
	check(t, err)
	check(t, p.Put(t.Context(), []byte("xyz")))
	list, err := fifo.List(t.Context(), c)
	check(t, err)
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
		same(t, fifo.Config{MaxItems: 7, MaxBytes: fifo.DefaultMaxBytes, AckWait: fifo.NoAckWait}, i.Config)
	}
	same(t, "a b é b", words(names))
	i := list[0]
	if i.Ready != 1 || i.Bytes != 3 || i.ID != p.ID || time.Since(i.Created) > patience || i.Put != 1 {
		t.Fatalf("want the pipe a with its item, got %+v", i)
	}
}
