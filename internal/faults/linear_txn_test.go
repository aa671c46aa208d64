package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	txnKeys  = 3 // in two buckets: the last is in the other one
	txnKills = 3
	txnCalls = 60 // of each client between two kills
)

// values are what the keys hold; "" is a key that is not there.
type values [txnKeys]string

// txnVerb is one kind of transaction.
type txnVerb int

const (
	txnRead    txnVerb = iota // all keys
	txnReplace                // if key `if` holds old: set keys a and b, else read all
	txnMove                   // pop key a, and set b
	txnUpdate                 // Update of key a: append to it
	txnVerbs
)

type txnInput struct {
	verb   txnVerb
	on     int // the key of the condition
	a, b   int // keys that are written
	old    string
	value  string
	before string // of an update: what its last try read
}

type txnOutput struct {
	all       values // of a read
	succeeded bool   // of a replace
	popped    string // of a move
	unknown   bool
}

// accounts is the model of all keys together: transactions do not fall apart.
func accounts() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return values{} },
		Step: func(state, in, out any) (bool, any) {
			return stepTxn(state.(values), in.(txnInput), out.(txnOutput))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// stepTxn tells whether the keys can answer so, and what they hold then.
func stepTxn(s values, in txnInput, out txnOutput) (bool, any) {
	before := s
	switch in.verb {
	case txnRead:
		return out.unknown || out.all == s, s
	case txnReplace:
		if s[in.on] != in.old {
			return out.unknown || !out.succeeded && out.all == s, s
		}
		s[in.a], s[in.b] = in.value, in.value
		return out.unknown || out.succeeded, s
	case txnMove:
		s[in.a] = ""
		s[in.b] = in.value
		return out.unknown || out.popped == before[in.a], s
	}
	if s[in.a] != in.before {
		return out.unknown, s // the last try did not take effect
	}
	s[in.a] = in.value
	return true, s
}

// txnCaller is one client of the history.
type txnCaller struct {
	id, next, count int
	buckets         [2]*kvbucket.Bucket
	rand            *rand.Rand
	known           values
}

func (c *txnCaller) bucket(key int) *kvbucket.Bucket { return c.buckets[key/(txnKeys-1)] }

func (c *txnCaller) in(key int, o kvbucket.Op) kvbucket.Op { return o.In(c.bucket(key).Name()) }

func keyName(key int) string { return fmt.Sprint("k", key) }

func (c *txnCaller) call(ctx context.Context, r *recorder) error {
	c.count++
	first := c.rand.IntN(txnKeys)
	in := txnInput{
		verb: txnVerb(c.rand.IntN(int(txnVerbs))), on: c.rand.IntN(txnKeys), a: first, b: (first + 1 + c.rand.IntN(txnKeys-1)) % txnKeys,
		value: fmt.Sprintf("%d-%d", c.id, c.count),
	}
	in.old = c.known[in.on]
	began := time.Now()
	out, err := c.do(ctx, &in)
	switch {
	case err == nil:
		r.add(c.next, in, out, false, began)
	case errors.Is(err, bus.ErrUnknownOutcome):
		r.add(c.next, in, txnOutput{unknown: true}, true, began)
		c.next += linearClients
	case !errors.Is(err, bus.ErrUnreachable):
		return err
	}
	return nil
}

func (c *txnCaller) do(ctx context.Context, in *txnInput) (out txnOutput, err error) {
	var res *kvbucket.TxnResult
	switch in.verb {
	case txnRead:
		res, err = c.buckets[0].Commit(ctx, kvbucket.Txn{Then: c.readAll()})
	case txnReplace:
		res, err = c.buckets[0].Commit(ctx, c.replace(in))
	case txnMove:
		res, err = c.buckets[0].Commit(ctx, kvbucket.Txn{Then: []kvbucket.Op{
			c.in(in.a, kvbucket.OpPop(keyName(in.a))), c.in(in.b, kvbucket.OpPut(keyName(in.b), []byte(in.value))),
		}})
	case txnUpdate:
		_, err = c.bucket(in.a).Update(ctx, keyName(in.a), func(old *kvbucket.Entry) ([]byte, error) {
			in.before = valueOf(old)
			return []byte(in.value), nil
		})
	}
	if err != nil || res == nil {
		return out, err
	}
	out.succeeded = in.verb == txnReplace && res.Succeeded
	switch {
	case in.verb == txnMove:
		out.popped = valueOf(res.Results[0].Entry)
	case len(res.Results) == txnKeys:
		for i := range out.all {
			out.all[i] = valueOf(res.Results[i].Entry)
		}
		c.known = out.all
	}
	return out, nil
}

func (c *txnCaller) readAll() (ops []kvbucket.Op) {
	for key := range txnKeys {
		ops = append(ops, c.in(key, kvbucket.OpGet(keyName(key))))
	}
	return ops
}

func (c *txnCaller) replace(in *txnInput) kvbucket.Txn {
	cond := kvbucket.ValueIs(keyName(in.on), kvbucket.Equal, []byte(in.old))
	if in.old == "" {
		cond = kvbucket.KeyMissing(keyName(in.on))
	}
	return kvbucket.Txn{
		If: []kvbucket.Cond{cond.In(c.bucket(in.on).Name())},
		Then: []kvbucket.Op{
			c.in(in.a, kvbucket.OpPut(keyName(in.a), []byte(in.value))), c.in(in.b, kvbucket.OpPut(keyName(in.b), []byte(in.value))),
		},
		Else: c.readAll(),
	}
}

func valueOf(e *kvbucket.Entry) string {
	if e == nil {
		return ""
	}
	return string(e.Value)
}

// TestTransactionsThroughKills: what four clients do by transactions over two
// buckets and by Update (K26), while the host is killed and another process
// takes over, has one order that explains every answer: it is strictly
// serializable.
func TestTransactionsThroughKills(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	history := &recorder{began: time.Now()}
	callers := make([]*txnCaller, linearClients)
	for i := range callers {
		cfg := bus.Config{RequestTimeout: patience}
		if i == 1 {
			cfg.RequestTimeout = linearPatience
		}
		conn := dial(t, dir, cfg)
		other, err := kvbucket.Open(conn, "other")
		must(t, err)
		callers[i] = &txnCaller{id: i, next: i, buckets: [2]*kvbucket.Bucket{open(t, conn), other}, rand: rand.New(rand.NewPCG(r.Uint64(), 0))}
	}
	hosts.rounds(ctx, r, txnKills, hosts.killed, func(i int) error { return callers[i].calls(ctx, history) })
	explain(t, accounts(), history.ops)
}

func (c *txnCaller) calls(ctx context.Context, r *recorder) error {
	for range txnCalls {
		if err := c.call(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// TestAccountsFinds proves that the check can fail: half a transaction, a
// condition that was answered wrongly, an item popped twice, an update lost.
func TestAccountsFinds(t *testing.T) {
	t.Parallel()
	both := txnInput{verb: txnReplace, a: 0, b: 1, value: "1"}
	read := txnInput{verb: txnRead}
	move := func(v string) txnInput { return txnInput{verb: txnMove, a: 0, b: 2, value: v} }
	update := func(before, v string) txnInput { return txnInput{verb: txnUpdate, a: 0, before: before, value: v} }
	done := txnOutput{succeeded: true}
	inexplicable(t, accounts(), map[string][]porcupine.Operation{
		"half":      {{Input: both, Output: done}, {Input: read, Output: txnOutput{all: values{"1", "", ""}}}},
		"condition": {{Input: both, Output: done}, {Input: both, Output: done}},
		"twice":     {{Input: both, Output: done}, {Input: move("2"), Output: txnOutput{popped: "1"}}, {Input: move("3"), Output: txnOutput{popped: "1"}}},
		"lost":      {{Input: update("", "2"), Output: txnOutput{}}, {Input: update("", "3"), Output: txnOutput{}}},
	})
}
