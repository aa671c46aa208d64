package fifo_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// pipe is a Pipe whose errors end the test.
type pipe struct {
	*fifo.Pipe
	t   testing.TB
	ctx context.Context
	c   *bus.Conn
}

func create(t testing.TB, c *bus.Conn, name string, cfg fifo.Config) pipe {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p, err := fifo.Create(ctx, c, name, cfg)
	check(t, err)
	return pipe{p, t, ctx, c}
}

func (p pipe) put(items ...string) {
	p.t.Helper()
	for _, item := range items {
		check(p.t, p.Put(p.ctx, []byte(item)))
	}
}

func (p pipe) info() *fifo.Info {
	p.t.Helper()
	i, err := p.Info(p.ctx)
	check(p.t, err)
	return i
}

// counts checks how many items are ready, in flight and dead.
func (p pipe) counts(ready, inFlight, dead int) {
	p.t.Helper()
	i := p.info()
	if want, got := [...]int{ready, inFlight, dead}, [...]int{i.Ready, i.InFlight, i.Dead}; want != got {
		p.t.Fatalf("want %v items ready, in flight and dead, got %v", want, got)
	}
}

// reader is a Reader whose errors end the test.
type reader struct {
	*fifo.Reader
	t   testing.TB
	ctx context.Context
}

func (p pipe) reader(opts ...fifo.ReaderOption) reader {
	p.t.Helper()
	r, err := p.Reader(p.ctx, opts...)
	check(p.t, err)
	return p.keep(r)
}

func (p pipe) dead(opts ...fifo.ReaderOption) reader {
	p.t.Helper()
	r, err := p.Dead(p.ctx, opts...)
	check(p.t, err)
	return p.keep(r)
}

// keep closes the reader at the end of the test, if that has a real clock.
func (p pipe) keep(r *fifo.Reader) reader {
	p.t.Cleanup(func() { _ = r.Close() }) // the test may have ended its owner, or the host
	return reader{r, p.t, p.ctx}
}

func (p pipe) writer(ttl time.Duration) *fifo.Writer {
	p.t.Helper()
	w, err := p.Writer(p.ctx, kvbucket.SessionConfig{TTL: ttl})
	check(p.t, err)
	p.t.Cleanup(func() { _ = w.Close() }) // likewise
	return w
}

func (r reader) get() *fifo.Item {
	r.t.Helper()
	i, err := r.Get(r.ctx)
	check(r.t, err)
	return i
}

func (r reader) getN(n int) []*fifo.Item {
	r.t.Helper()
	items, err := r.GetN(r.ctx, n)
	check(r.t, err)
	return items
}

// take gets n items, acknowledges them, and returns what they say.
func (r reader) take(n int) string {
	r.t.Helper()
	var all []*fifo.Item
	for len(all) < n {
		items := r.getN(min(n-len(all), fifo.MaxBatch))
		check(r.t, r.Ack(r.ctx, items...))
		all = append(all, items...)
	}
	return says(all)
}

// says is the data of items in one line.
func says(items []*fifo.Item) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = string(item.Data)
	}
	return strings.Join(words, " ")
}

// numbers are the words of the numbers from first to last.
func numbers(first, last int) []string {
	var out []string
	for n := first; n <= last; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

func words(items []string) string { return strings.Join(items, " ") }

func data(items []string) (out [][]byte) {
	for _, item := range items {
		out = append(out, []byte(item))
	}
	return slices.Clip(out)
}

func withDeadline(t *testing.T, p pipe, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(p.ctx, d)
	t.Cleanup(cancel)
	return ctx
}
