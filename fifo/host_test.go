package fifo_test

import (
	"context"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// TestP08: a host that restarts has every item, in its order, and what was in
// flight is still its reader's.
func TestP08(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	restartWith(t, bed.Conn(), bed.Restart)
}

// TestP08TakeOver: the same when another process takes over.
func TestP08TakeOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cfg := host.Config{Dir: t.TempDir()}
	first, err := host.Join(ctx, cfg)
	check(t, err)
	second, err := host.Join(ctx, cfg)
	check(t, err)
	t.Cleanup(func() { check(t, second.Close()) })
	restartWith(t, second.Conn(), func() { check(t, first.Close()) })
	same(t, true, second.Hosting())
}

func restartWith(t *testing.T, c *bus.Conn, restart func()) {
	t.Helper()
	const n, inFlight = 1000, 10
	p := create(t, c, "p", fifo.Config{})
	check(t, p.PutAll(p.ctx, data(numbers(1, n/2))))
	check(t, p.PutAll(p.ctx, data(numbers(n/2+1, n))))
	r := p.reader()
	same(t, words(numbers(1, 5)), r.take(5))
	held := r.getN(inFlight)
	restart()
	p.counts(n-5-inFlight, inFlight, 0)
	same(t, words(numbers(6, 5+inFlight)), says(held))
	check(t, r.Ack(p.ctx, held[:4]...))
	check(t, r.Nak(p.ctx, held[4:]...))
	same(t, words(numbers(10, n)), r.take(n-9))
	_, err := r.TryGet(p.ctx)
	wantError(t, fifo.ErrEmpty, err)
	i := p.info()
	same(t, [...]uint64{n, n}, [...]uint64{i.Put, i.Acknowledged})
}
