package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
)

const (
	wordKeys  = 2
	wordKills = 4   // every other one is an orderly end
	wordCalls = 100 // of each client between two ends
)

// wordInput is one operation, and wordOutput its answer.
type wordInput struct {
	key   string
	op    atomic.Op
	x, y  int64
	there bool // the word must exist
}

type wordOutput struct {
	result  atomic.Result // without its revision
	refused error
	unknown bool
}

// wordState is what a key holds.
type wordState struct {
	there bool
	n     int64
}

// words is the model: each word by itself.
func words() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			keys := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(wordInput).key
				keys[key] = append(keys[key], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range keys {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return wordState{} },
		Step: func(state, in, out any) (bool, any) {
			return stepWord(state.(wordState), in.(wordInput), out.(wordOutput))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// stepWord tells whether a word can answer so, and what it is then.
func stepWord(s wordState, in wordInput, out wordOutput) (bool, any) {
	if in.there && !s.there {
		return out.unknown || errors.Is(out.refused, atomic.ErrNotFound), s
	}
	want := atomic.Result{Before: s.n, After: s.n, Existed: s.there}
	want.After, want.Met = become(in.op, s.n, in.x, in.y)
	legal := out.unknown || out.refused == nil && out.result == want
	switch {
	case in.op == atomic.Remove:
		return legal, wordState{}
	case in.op == atomic.Load || !want.Met:
		return legal, s
	}
	return legal, wordState{true, want.After}
}

// become is what the operations mean, for numbers that do not overflow.
func become(op atomic.Op, n, x, y int64) (after int64, met bool) {
	holds, conditional := map[atomic.Op]bool{
		atomic.CompareAndSwap: n == x, atomic.AddIfLess: n < x, atomic.AddIfLessOrEqual: n <= x, atomic.AddIfGreater: n > x,
		atomic.AddIfGreaterOrEqual: n >= x, atomic.AddIfEqual: n == x, atomic.AddIfNotEqual: n != x,
	}[op]
	switch {
	case conditional && !holds:
		return n, false
	case op == atomic.CompareAndSwap:
		return y, true
	case conditional:
		return n + y, true
	}
	return map[atomic.Op]int64{
		atomic.Load: n, atomic.Store: x, atomic.Add: n + x, atomic.Sub: n - x, atomic.And: n & x, atomic.Or: n | x, atomic.Xor: n ^ x,
		atomic.Min: min(n, x), atomic.Max: max(n, x),
	}[op], true
}

// wordCaller is one client of the history.
type wordCaller struct {
	conn *bus.Conn
	rand *rand.Rand
	next int // its number in the history, a new one after each unknown outcome
}

func (c *wordCaller) call(ctx context.Context, r *recorder) error {
	in := wordInput{
		key: fmt.Sprint("w", c.rand.IntN(wordKeys)), op: atomic.Op(c.rand.IntN(int(atomic.Remove) + 1)),
		x: c.rand.Int64N(9) - 4, y: c.rand.Int64N(9) - 4, there: c.rand.IntN(4) == 0,
	}
	began := time.Now()
	out, err := c.do(ctx, in)
	switch {
	case err == nil:
		r.add(c.next, in, out, false, began)
	case errors.Is(err, bus.ErrUnknownOutcome):
		r.add(c.next, in, wordOutput{unknown: true}, true, began)
		c.next += linearClients
	case !errors.Is(err, bus.ErrUnreachable):
		return err
	}
	return nil
}

func (c *wordCaller) do(ctx context.Context, in wordInput) (wordOutput, error) {
	var opts []atomic.WordOption
	if in.there {
		opts = append(opts, atomic.MustExist())
	}
	w, err := atomic.Open(c.conn, "kv", in.key, opts...)
	if err != nil {
		return wordOutput{}, err
	}
	res, err := w.Do(ctx, in.op, in.x, in.y)
	if errors.Is(err, atomic.ErrNotFound) {
		return wordOutput{refused: err}, nil
	}
	res.Revision = 0
	return wordOutput{result: res}, err
}

func (c *wordCaller) calls(ctx context.Context, r *recorder) error {
	for range wordCalls {
		if err := c.call(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// TestWordLinear: what four clients do to two words by every operation, while
// hosts are killed or leave, has an order that explains every answer.
func TestWordLinear(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	history := &recorder{began: time.Now()}
	callers := make([]*wordCaller, linearClients)
	for i := range callers {
		cfg := bus.Config{RequestTimeout: patience}
		if i == 1 {
			cfg.RequestTimeout = linearPatience
		}
		callers[i] = &wordCaller{next: i, conn: dial(t, dir, cfg), rand: rand.New(rand.NewPCG(r.Uint64(), 0))}
	}
	hosts.rounds(ctx, r, wordKills, hosts.inTurns, func(i int) error { return callers[i].calls(ctx, history) })
	explain(t, words(), history.ops)
}

// TestWordsFinds proves that the check can fail: an add done twice, one that is
// lost, a condition answered wrongly, a stale read.
func TestWordsFinds(t *testing.T) {
	t.Parallel()
	type op = porcupine.Operation
	add := wordInput{op: atomic.Add, x: 1}
	load := wordInput{op: atomic.Load}
	got := func(before, after int64, existed bool) wordOutput {
		return wordOutput{result: atomic.Result{Before: before, After: after, Met: true, Existed: existed}}
	}
	first := op{Input: add, Output: got(0, 1, false)}
	inexplicable(t, words(), map[string][]porcupine.Operation{
		"twice":     {first, {Input: load, Output: got(2, 2, true)}},
		"lost":      {first, {Input: add, Output: got(0, 1, true)}},
		"condition": {first, {Input: wordInput{op: atomic.AddIfGreater, x: 1, y: 1}, Output: got(1, 2, true)}},
		"stale":     {first, {Input: load, Output: got(0, 0, false)}},
		"there":     {first, {Input: wordInput{op: atomic.Load, there: true}, Output: wordOutput{refused: atomic.ErrNotFound}}},
	})
}
