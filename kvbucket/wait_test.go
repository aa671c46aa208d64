package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// ended is how a wait ended, as lines or an error.
type ended struct {
	lines []string
	err   error
}

// later runs a wait beside the test.
func later(wait func() ([]*kvbucket.Entry, error)) <-chan ended {
	done := make(chan ended, 1)
	go func() {
		list, err := wait()
		done <- ended{lines(list), err}
	}()
	return done
}

func (b bucket) waitAny(keys []string, opts ...kvbucket.WaitOption) <-chan ended {
	return later(func() ([]*kvbucket.Entry, error) {
		e, err := b.WaitAny(b.ctx, keys, opts...)
		if err != nil {
			return nil, err
		}
		return []*kvbucket.Entry{e}, nil
	})
}

func (b bucket) waitAll(keys []string, opts ...kvbucket.WaitOption) <-chan ended {
	return later(func() ([]*kvbucket.Entry, error) { return b.WaitAll(b.ctx, keys, opts...) })
}

func (e ended) want(t *testing.T, lines ...string) {
	t.Helper()
	check(t, e.err)
	same(t, lines, e.lines)
}

func caseWaitAny(t *testing.T, b bucket) {
	early := b.waitAny([]string{"a", "b"})
	b.put("c", "0")
	b.put("b", "1")
	(<-early).want(t, "b=1")
	(<-b.waitAny([]string{"x", "b", "c"})).want(t, "b=1")
	(<-b.waitAny([]string{"c", "b"})).want(t, "c=0")
	short, cancel := context.WithTimeout(b.ctx, 20*time.Millisecond)
	defer cancel()
	_, err := b.WaitAny(short, []string{"x", "y"})
	if !errors.Is(err, bus.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want a timeout, got %v", err)
	}
}

func caseWaitAll(t *testing.T, b bucket) {
	b.put("a", "1")
	early := b.waitAll([]string{"b", "a", "c", "b"})
	b.put("b", "1")
	b.delete("a")
	b.put("c", "1")
	r := b.put("a", "2")
	(<-early).want(t, "b=1", "a=2", "c=1", "b=1")
	list, err := b.WaitAll(b.ctx, []string{"a"})
	check(t, err)
	same(t, r, list[0].Revision)
	large := make([]byte, kvbucket.MaxValue)
	var keys []string
	for i := range 5 {
		keys = append(keys, fmt.Sprint("large", i))
		b.put(keys[i], string(large))
	}
	list, err = b.WaitAll(b.ctx, keys)
	check(t, err)
	for i, e := range list {
		same(t, keys[i], e.Key)
		same(t, len(large), len(e.Value))
	}
	same(t, len(keys), len(list))
	short, cancel := context.WithTimeout(b.ctx, 20*time.Millisecond)
	defer cancel()
	if _, err = b.WaitAll(short, []string{"a", "x"}); !errors.Is(err, bus.ErrTimeout) {
		t.Fatalf("want a timeout, got %v", err)
	}
}

func caseWaitRefused(t *testing.T, b bucket) {
	many := make([]string, kvbucket.MaxOperations+1)
	for i := range many {
		many[i] = "k"
	}
	for _, c := range []struct {
		keys []string
		want bus.Code
	}{{nil, bus.CodeUsage}, {[]string{"a", ""}, bus.CodeUsage}, {many, bus.CodeTooLarge}} {
		_, one := b.WaitAny(b.ctx, c.keys)
		_, all := b.WaitAll(b.ctx, c.keys)
		same(t, [2]bus.Code{c.want, c.want}, [2]bus.Code{bus.CodeOf(one), bus.CodeOf(all)})
	}
	_, err := b.Wait(b.ctx, "a", kvbucket.UnlessOwnerEnds(""))
	same(t, bus.CodeUsage, bus.CodeOf(err))
}

// owner registers an owner that lives until it is ended.
func (b bucket) owner(id string) {
	b.t.Helper()
	check(b.t, b.conn.Call(b.ctx, "owner.register", &engine.RegisterOwner{ID: id}, nil))
}

func (b bucket) endOwner(id string) {
	b.t.Helper()
	check(b.t, b.conn.Call(b.ctx, "owner.end", &engine.EndOwner{ID: id}, nil))
}

func (e ended) wantOwnerEnded(t *testing.T) {
	t.Helper()
	if !errors.Is(e.err, kvbucket.ErrOwnerEnded) || bus.CodeOf(e.err) != bus.CodeNever {
		t.Fatalf("want ErrOwnerEnded, got %v, %v", e.lines, e.err)
	}
}

func caseWaitOwner(t *testing.T, b bucket) {
	unless := kvbucket.UnlessOwnerEnds("o")
	(<-b.waitAny([]string{"a"}, unless)).wantOwnerEnded(t)
	(<-b.waitAll([]string{"a"}, kvbucket.UnlessOwnerEnds("job_7"))).wantOwnerEnded(t)
	b.owner("o")
	b.owner("other")
	waiting, all := b.waitAny([]string{"a"}, unless), b.waitAll([]string{"a", "b"}, unless)
	b.put("a", "1")
	(<-waiting).want(t, "a=1")
	b.endOwner("other")
	b.endOwner("o")
	(<-all).wantOwnerEnded(t)
	(<-b.waitAny([]string{"a"}, unless)).want(t, "a=1")
	check(t, b.conn.Call(b.ctx, "owner.register", &engine.RegisterOwner{ID: "o", TTL: engine.MinTTL.Milliseconds()}, nil))
	(<-b.waitAny([]string{"b"}, unless)).wantOwnerEnded(t) // its lease ends
}

// gate lets a test act before a request reaches the host.
type gate struct {
	*bed
	before func(verb string)
}

func (g *gate) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	g.before(verb)
	return g.bed.Call(ctx, user, verb, req)
}

// TestWaitBetweenRequests: what happens while no request of a wait is at the
// host is not missed: a key that was there for one revision only; the end of
// the owner, though another has taken the same id.
func TestWaitBetweenRequests(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.direct(t), "test")
	for _, put := range []bool{true, false} {
		asked := 0
		g := &gate{h, func(verb string) {
			if verb != "kv.await" {
				return
			}
			if asked++; asked != 2 {
				return
			}
			if put {
				b.put("a", "1")
				b.delete("a")
			}
			b.endOwner("o")
			b.owner("o")
		}}
		b.owner("o")
		waiter := openBucket(t, h.connect(t, bus.Config{Direct: g}), "test")
		done := <-waiter.waitAny([]string{"b", "a"}, kvbucket.UnlessOwnerEnds("o"))
		if put {
			done.want(t, "a=1")
		} else {
			done.wantOwnerEnded(t)
		}
		b.endOwner("o")
	}
}

// TestWaitMissesNothing: a key that is there for one revision only wakes who
// waits for it, also when the engine is restarted.
func TestWaitMissesNothing(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	const waits = 50
	for i := range waits {
		told := make(chan struct{}, 2)
		tell := func(verb string) bool {
			if verb == "kv.await" {
				told <- struct{}{}
			}
			return false
		}
		h.lose.Store(&tell)
		done := b.waitAny([]string{"other", "a"})
		<-told
		if i%10 == 3 {
			h.restart(t)
		}
		h.lose.Store(nil)
		b.put("a", fmt.Sprint(i))
		b.delete("a")
		if i%10 == 7 {
			h.restart(t)
		}
		(<-done).want(t, fmt.Sprint("a=", i))
	}
}

// TestWaitDoesNotPoll: a wait is two requests, however long it is: for keys
// that come, and for an owner that ends.
func TestWaitDoesNotPoll(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	b.owner("o")
	const waiters = 100
	var asked atomic.Int32
	var looked, woken sync.WaitGroup
	looked.Add(2 * waiters)
	count := func(verb string) bool {
		if verb == "kv.await" && asked.Add(1) <= 2*waiters {
			looked.Done()
		}
		return false
	}
	h.lose.Store(&count)
	for range waiters {
		woken.Go(func() {
			if _, err := b.WaitAll(b.ctx, []string{"a", "b"}); err != nil {
				t.Error(err)
			}
		})
		woken.Go(func() {
			if _, err := b.Wait(b.ctx, "never", kvbucket.UnlessOwnerEnds("o")); !errors.Is(err, kvbucket.ErrOwnerEnded) {
				t.Errorf("want ErrOwnerEnded, got %v", err)
			}
		})
	}
	looked.Wait()
	for i := range 100 {
		b.put("a", fmt.Sprint(i))
		b.put("c", fmt.Sprint(i))
	}
	b.put("b", "1")
	b.endOwner("o")
	woken.Wait()
	same(t, int32(4*waiters), asked.Load())
}
