package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	pipeRoom  = 5  // items of the pipe
	pipeKills = 4  // every other one is an orderly end
	pipeCalls = 80 // of each client between two ends
	// pipeWait is how long a put or a get waits that does.
	pipeWait = 10 * time.Millisecond
	// pipeLease is longer than any of it: nothing is handed back but by hand.
	pipeLease = 10 * time.Minute
)

// pipeVerb is what is done to a pipe.
type pipeVerb int

const (
	doPipePut pipeVerb = iota
	doPipeGet
	doPipeAck
	doPipeNak
)

// pipeInput is one call: the item that is put, or held; pipeOutput its answer.
type pipeInput struct {
	verb pipeVerb
	item int
}

type pipeOutput struct {
	item    int // of a get
	refused bool
	unknown bool
}

// pipeState is the items that are there: (place, item).
type pipeState struct {
	last        int
	ready, held [][2]int
}

// pipes is the model of a pipe.
func pipes() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return pipeState{} },
		Step: func(state, in, out any) (bool, any) {
			return state.(pipeState).step(in.(pipeInput), out.(pipeOutput))
		},
		Equal: func(a, b any) bool {
			x, y := a.(pipeState), b.(pipeState)
			return x.last == y.last && slices.Equal(x.ready, y.ready) && slices.Equal(x.held, y.held)
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// step tells whether a pipe can answer so, and what is in it then.
func (s pipeState) step(in pipeInput, out pipeOutput) (bool, any) {
	s.ready, s.held = slices.Clone(s.ready), slices.Clone(s.held)
	switch in.verb {
	case doPipePut:
		full := len(s.ready)+len(s.held) == pipeRoom
		if !full {
			s.last++
			s.ready = append(s.ready, [2]int{s.last, in.item})
		}
		return out.unknown || out.refused == full, s
	case doPipeGet:
		if len(s.ready) == 0 {
			return out.unknown || out.refused, s
		}
		first := s.ready[0]
		s.ready, s.held = s.ready[1:], append(s.held, first)
		slices.SortFunc(s.held, byPlace)
		return out.unknown || !out.refused && out.item == first[1], s
	}
	i := slices.IndexFunc(s.held, func(h [2]int) bool { return h[1] == in.item })
	if i < 0 {
		return out.unknown || out.refused, s
	}
	if in.verb == doPipeNak {
		s.ready = append(s.ready, s.held[i])
		slices.SortFunc(s.ready, byPlace)
	}
	s.held = slices.Delete(s.held, i, i+1)
	return out.unknown || !out.refused, s
}

func byPlace(a, b [2]int) int { return a[0] - b[0] }

// pipeCaller is one client of the history.
type pipeCaller struct {
	next   int // its number in the history, a new one after each unknown outcome
	items  *atomic.Int64
	pipe   *fifo.Pipe
	reader *fifo.Reader
	held   []*fifo.Item
	rand   *rand.Rand
}

func (c *pipeCaller) calls(ctx context.Context, r *recorder) error {
	for range pipeCalls {
		if err := c.call(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *pipeCaller) call(ctx context.Context, r *recorder) error {
	in := pipeInput{verb: pipeVerb(c.rand.IntN(4))}
	var item *fifo.Item
	switch {
	case in.verb == doPipePut:
		in.item = int(c.items.Add(1))
	case in.verb == doPipeGet:
	case len(c.held) == 0:
		return nil
	default:
		n := c.rand.IntN(len(c.held))
		item, in.item = c.held[n], number(c.held[n])
		c.held = slices.Delete(c.held, n, n+1)
	}
	began := time.Now()
	out, err := c.do(ctx, in, item)
	switch {
	case err == nil:
		r.add(c.next, in, out, false, began)
	case errors.Is(err, bus.ErrUnknownOutcome):
		r.add(c.next, in, pipeOutput{unknown: true}, true, began)
		c.next += linearClients
	case !errors.Is(err, bus.ErrUnreachable):
		return err
	}
	return nil
}

// do makes the call; every other put and get waits for a moment.
func (c *pipeCaller) do(ctx context.Context, in pipeInput, item *fifo.Item) (out pipeOutput, err error) {
	put, get := c.pipe.TryPut, c.reader.TryGet
	if c.rand.IntN(2) == 0 && in.verb <= doPipeGet {
		wait, cancel := context.WithTimeout(ctx, pipeWait)
		defer cancel()
		ctx, put, get = wait, c.pipe.Put, c.reader.Get
	}
	switch in.verb {
	case doPipePut:
		err = put(ctx, []byte(strconv.Itoa(in.item)))
	case doPipeGet:
		if item, err = get(ctx); err == nil {
			c.held = append(c.held, item)
			out.item = number(item)
		}
	case doPipeAck:
		err = item.Ack(ctx)
	case doPipeNak:
		err = item.Nak(ctx)
	}
	for _, refusal := range []error{fifo.ErrFull, fifo.ErrEmpty, fifo.ErrNotHeld} {
		out.refused = out.refused || errors.Is(err, refusal)
	}
	if !errors.Is(err, bus.ErrUnknownOutcome) && !errors.Is(err, bus.ErrUnreachable) {
		out.refused = out.refused || errors.Is(err, bus.ErrTimeout)
	}
	if out.refused {
		err = nil
	}
	return out, err
}

func number(i *fifo.Item) int {
	n, err := strconv.Atoi(string(i.Data))
	if err != nil {
		return -1
	}
	return n
}

// newPipeCaller opens a client of the pipe that they all use.
func newPipeCaller(ctx context.Context, t *testing.T, dir string, id int, items *atomic.Int64, seed uint64) *pipeCaller {
	t.Helper()
	conn := dial(t, dir, bus.Config{RequestTimeout: patience})
	p, err := fifo.Create(ctx, conn, "p", fifo.Config{MaxItems: pipeRoom, AckWait: fifo.NoAckWait})
	must(t, err)
	reader, err := p.Reader(ctx, fifo.WithSession(kvbucket.SessionConfig{TTL: pipeLease}))
	must(t, err)
	t.Cleanup(reader.Session().Orphan)
	return &pipeCaller{next: id, items: items, pipe: p, reader: reader, rand: rand.New(rand.NewPCG(seed, 0))}
}

// TestPipeLinear: what four clients do to a small pipe, while hosts are killed
// or leave, has an order that explains every answer: first in first out, each
// item to one, never more than there is room for.
func TestPipeLinear(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	history := &recorder{began: time.Now()}
	items := new(atomic.Int64)
	callers := make([]*pipeCaller, linearClients)
	for i := range callers {
		callers[i] = newPipeCaller(ctx, t, dir, i, items, r.Uint64())
	}
	hosts.rounds(ctx, r, pipeKills, hosts.inTurns, func(i int) error { return callers[i].calls(ctx, history) })
	explain(t, pipes(), history.ops)
}

// TestPipesFinds proves that the check can fail: an item put twice, handed out
// twice, lost, out of order, and a pipe over its bounds.
func TestPipesFinds(t *testing.T) {
	t.Parallel()
	type op = porcupine.Operation
	put := func(n int) op { return op{Input: pipeInput{doPipePut, n}, Output: pipeOutput{}} }
	get := func(n int) op { return op{Input: pipeInput{verb: doPipeGet}, Output: pipeOutput{item: n}} }
	empty := op{Input: pipeInput{verb: doPipeGet}, Output: pipeOutput{refused: true}}
	nak := op{Input: pipeInput{doPipeNak, 1}, Output: pipeOutput{}}
	inexplicable(t, pipes(), map[string][]porcupine.Operation{
		"put twice":    {put(1), get(1), {Input: pipeInput{doPipeAck, 1}, Output: pipeOutput{}}, get(1)},
		"handed twice": {put(1), get(1), get(1)},
		"lost":         {put(1), empty},
		"out of order": {put(1), put(2), get(2)},
		"not in front": {put(1), put(2), get(1), nak, get(2)},
		"over":         {put(1), put(2), put(3), put(4), put(5), put(6)},
	})
}
