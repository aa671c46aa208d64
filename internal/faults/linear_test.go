package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	linearClients = 4
	linearKeys    = 3
	linearKills   = 5
	linearCalls   = 120 // of each client between two kills
	// linearPatience is a call's time for the clients that give up.
	linearPatience = 60 * time.Millisecond
	// linearCheck bounds the search for an order.
	linearCheck = 30 * time.Second
)

type verb int

const (
	doGet verb = iota
	doPut
	doCreate
	doReplace // put on condition that the key has the value old
	doDelete
	verbs
)

// input is one call, and output its answer. "" is a key that is not there.
type input struct {
	verb       verb
	key        string
	old, value string
}

type output struct {
	value   string // of a get
	refused bool   // the condition did not hold
	unknown bool   // nobody can tell
}

// registers is the model: each key by itself, "" at the beginning.
func registers() porcupine.Model {
	return porcupine.Model{
		Partition:         byKey,
		Init:              func() any { return "" },
		Step:              func(state, in, out any) (bool, any) { return stepRegister(state.(string), in.(input), out.(output)) },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

func byKey(history []porcupine.Operation) (parts [][]porcupine.Operation) {
	keys := map[string][]porcupine.Operation{}
	for _, op := range history {
		key := op.Input.(input).key
		keys[key] = append(keys[key], op)
	}
	for _, part := range keys {
		parts = append(parts, part)
	}
	return parts
}

// stepRegister tells whether a key can answer so, and what it holds then.
func stepRegister(state string, in input, out output) (bool, any) {
	holds := true
	switch in.verb {
	case doGet:
		return out.value == state, state
	case doCreate:
		holds = state == ""
	case doReplace:
		holds = state == in.old
	case doDelete:
		holds = state != ""
	}
	legal := out.unknown || out.refused != holds
	if !holds {
		return legal, state
	}
	if in.verb == doDelete {
		return legal, ""
	}
	return legal, in.value
}

// recorder is a history that grows.
type recorder struct {
	mu    sync.Mutex
	began time.Time
	ops   []porcupine.Operation
}

// add records a call. One whose outcome is unknown may be executed at any
// later time, or never, which the end of time is as good as.
func (r *recorder) add(client int, in, out any, unknown bool, call time.Time) {
	end := int64(time.Since(r.began))
	if unknown {
		end = int64(time.Hour) * 24
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: int64(call.Sub(r.began)), Return: end})
}

// caller is one client of the history.
type caller struct {
	id     int
	bucket *kvbucket.Bucket
	rand   *rand.Rand
	count  int
	known  map[string]*kvbucket.Entry // what it read last of each key
	next   int                        // its number in the history, a new one after each unknown outcome
}

// call makes one call and records it.
func (c *caller) call(ctx context.Context, r *recorder) error {
	c.count++
	in := input{verb: verb(c.rand.IntN(int(verbs))), key: fmt.Sprint("k", c.rand.IntN(linearKeys)), value: fmt.Sprintf("%d-%d", c.id, c.count)}
	known := c.known[in.key]
	if in.verb == doReplace && known == nil {
		in.verb = doGet
	}
	if in.verb == doReplace {
		in.old = string(known.Value)
	}
	began := time.Now()
	out, err := c.do(ctx, in, known)
	switch {
	case err == nil:
		r.add(c.next, in, out, false, began)
	case errors.Is(err, bus.ErrUnknownOutcome):
		r.add(c.next, in, output{unknown: true}, true, began)
		c.next += linearClients // a client of the model has one call at a time
	case !errors.Is(err, bus.ErrUnreachable): // that is: nothing was done
		return err
	}
	return nil
}

func (c *caller) do(ctx context.Context, in input, known *kvbucket.Entry) (out output, err error) {
	switch in.verb {
	case doGet:
		var e *kvbucket.Entry
		e, err = c.bucket.Get(ctx, in.key)
		if err == nil {
			c.known[in.key], out.value = e, string(e.Value)
		}
		if errors.Is(err, kvbucket.ErrNotFound) {
			err = nil
		}
	case doPut:
		_, err = c.bucket.Put(ctx, in.key, []byte(in.value))
	case doCreate:
		_, err = c.bucket.Create(ctx, in.key, []byte(in.value))
	case doReplace:
		_, err = c.bucket.Put(ctx, in.key, []byte(in.value), kvbucket.IfRevision(known.Revision))
	case doDelete:
		var was bool
		was, err = c.bucket.Delete(ctx, in.key)
		out.refused = !was
	}
	if errors.Is(err, kvbucket.ErrExists) || errors.Is(err, kvbucket.ErrRevision) {
		return output{refused: true}, nil
	}
	return out, err
}

// TestLinearizableThroughKills: what four clients do to three keys while the
// host is killed five times has an order that explains every answer.
func TestLinearizableThroughKills(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	history := &recorder{began: time.Now()}
	callers := make([]*caller, linearClients)
	for i := range callers {
		cfg := bus.Config{RequestTimeout: patience}
		if i%2 == 1 {
			cfg.RequestTimeout = linearPatience
		}
		callers[i] = &caller{id: i, next: i, bucket: open(t, dial(t, dir, cfg)), rand: rand.New(rand.NewPCG(r.Uint64(), 0)), known: map[string]*kvbucket.Entry{}}
	}
	hosts.rounds(ctx, r, linearKills, hosts.killed, func(i int) error { return callers[i].calls(ctx, history) })
	explain(t, registers(), history.ops)
}

func (c *caller) calls(ctx context.Context, r *recorder) error {
	for range linearCalls {
		if err := c.call(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// TestExplainFinds proves that the check can fail: a write that is gone, one
// done twice, a stale read.
func TestExplainFinds(t *testing.T) {
	t.Parallel()
	put := func(v string) input { return input{verb: doPut, key: "k", value: v} }
	get := input{verb: doGet, key: "k"}
	inexplicable(t, registers(), map[string][]porcupine.Operation{
		"lost":  {{Input: put("1"), Output: output{}}, {Input: get, Output: output{}}},
		"stale": {{Input: put("1"), Output: output{}}, {Input: put("2"), Output: output{}}, {Input: get, Output: output{value: "1"}}},
		"twice": {{Input: put("1"), Output: output{unknown: true}}, {Input: get, Output: output{value: "1"}},
			{Input: put("2"), Output: output{}}, {Input: get, Output: output{value: "1"}}},
	})
}
