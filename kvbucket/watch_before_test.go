package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// beforeLine is eventLine and, in brackets, what the change replaced.
func beforeLine(e kvbucket.Event) string {
	switch {
	case e.Entry == nil:
		return eventLine(e)
	case e.Previous != nil:
		return fmt.Sprintf("%s (%s)", entryLine(e.Entry), entryLine(e.Previous))
	case e.Entry.Previous != 0:
		return entryLine(e.Entry) + " (gone)"
	}
	return entryLine(e.Entry)
}

func (w watch) wantBefore(lines ...string) {
	w.b.t.Helper()
	got := make([]string, 0, len(lines))
	for range lines {
		got = append(got, beforeLine(w.next()))
	}
	same(w.b.t, lines, got)
}

func casePrevious(t *testing.T, b bucket) {
	b.put("a", "1")
	live, bare, puts := b.watch(kvbucket.Previous()), b.watch(kvbucket.Previous(), kvbucket.KeysOnly()), b.watch(kvbucket.Previous(), kvbucket.Kinds(bus.OpPut), kvbucket.Keys("a"))
	b.put("a", "2")
	b.delete("a")
	b.put("a", "3")
	_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "b", Value: []byte("1")}, {Key: "a", Value: []byte("4")}})
	check(t, err)
	want := []string{"a=2 (a=1)", "-a (a=2)", "a=3 (-a)", "b=1", "a=4 (a=3)"}
	live.wantBefore(append([]string{"caught up"}, want...)...)
	bare.wantBefore("caught up", "a= (a=)", "-a (a=)", "a= (-a)", "b=", "a= (a=)")
	puts.wantBefore("caught up", "a=2 (a=1)", "a=3 (-a)", "a=4 (a=3)")
	b.watch(kvbucket.Previous(), kvbucket.Since(2)).wantBefore(append(want, "caught up")...)
	b.watch(kvbucket.Previous(), kvbucket.FromStart()).wantBefore(append(append([]string{"a=1"}, want...), "caught up")...)
	e := b.watch(kvbucket.Previous(), kvbucket.Since(4)).next()
	same(t, [3]any{uint64(3), bus.OpDelete, bus.ReasonDeleted}, [3]any{e.Previous.Revision, e.Previous.Op, e.Previous.Reason})
	if e := b.watch(kvbucket.Since(2)).next(); e.Previous != nil {
		t.Fatalf("without the option: want no entry, got %v", e.Previous)
	}
}

// casePreviousLarge: a transaction replaces more than an answer of the host
// has room for.
func casePreviousLarge(t *testing.T, b bucket) {
	const keys, size = 24, 100 << 10
	fill := func(c byte) {
		kvs := make([]kvbucket.KV, keys)
		for i := range kvs {
			kvs[i] = kvbucket.KV{Key: fmt.Sprintf("k%02d", i), Value: make([]byte, size)}
			kvs[i].Value[0] = c
		}
		_, err := b.PutAll(b.ctx, kvs)
		check(t, err)
	}
	fill(1)
	w := b.watch(kvbucket.Previous())
	w.want("caught up")
	fill(2)
	check(t, ignore(b.DeleteRange(b.ctx, kvbucket.Range{})))
	for value := byte(1); value <= 2; value++ {
		for i := range keys {
			e := w.next()
			same(t, fmt.Sprintf("k%02d", i), e.Entry.Key)
			same(t, [2]int{size, int(value)}, [2]int{len(e.Previous.Value), int(e.Previous.Value[0])})
		}
	}
}

func ignore(_ any, err error) error { return err }

func caseOnlyChanges(t *testing.T, b bucket) {
	b.put("a", "1")
	all := []watch{b.watch(kvbucket.OnlyChanges()), b.watch(kvbucket.OnlyChanges(), kvbucket.KeysOnly()), b.watch(kvbucket.OnlyChanges(), kvbucket.Keys("a")), b.watch(kvbucket.OnlyChanges(), kvbucket.Progress())}
	b.put("a", "1")
	b.put("a", "2")
	b.put("a", "2")
	_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "c", Value: []byte("1")}, {Key: "a", Value: []byte("2")}})
	check(t, err)
	b.delete("a")
	b.put("a", "2")
	b.put("b", "")
	b.put("b", "")
	end := b.put("a", "end")
	all[0].want("caught up", "a=2", "c=1", "-a", "a=2", "b=", "a=end")
	all[1].want("caught up", "a=", "c=", "-a", "a=", "b=", "a=")
	all[2].want("caught up", "a=2 key:a", "-a key:a", "a=2 key:a", "a=end key:a")
	all[3].want("caught up", "progress", "a=2", "progress", "c=1", "-a", "a=2", "b=", "progress", "a=end")
	b.watch(kvbucket.OnlyChanges(), kvbucket.Since(2), kvbucket.Previous()).wantBefore("a=2 (a=1)", "c=1", "-a (a=2)", "a=2 (-a)", "b=", "a=end (a=2)", "caught up")
	b.watch(kvbucket.OnlyChanges(), kvbucket.Since(end-1)).want("a=end", "caught up")
}

// TestPreviousGone: what a change replaced is told to be gone where neither
// the history nor the host's memory of late has it, and a change is returned
// that may be none.
func TestPreviousGone(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.direct(t), bucketOfTwo)
	for range 3 {
		b.put("a", "v")
	}
	b.forget()
	b.watch(kvbucket.FromStart(), kvbucket.Previous()).wantBefore("a=v (gone)", "a=v (a=v)", "caught up")
	b.watch(kvbucket.FromStart(), kvbucket.OnlyChanges()).want("a=v", "caught up")
}

// forget makes the host forget the recent changes, by writing as much.
func (b bucket) forget() {
	b.t.Helper()
	other := openBucket(b.t, b.conn, "other")
	for n, large := 0, string(make([]byte, kvbucket.MaxValue)); n <= engine.MaxRecentBytes; n += len(large) {
		other.put("large", large)
	}
}

// TestSlowReaderIsTold: a reader that is slower than all there is to read from
// is told, and with what it could begin anew; nothing is skipped.
func TestSlowReaderIsTold(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).direct(t), bucketOfTwo)
	all := []watch{b.watch(kvbucket.Buffer(1, 1<<20)), b.watch(kvbucket.Buffer(1, 1<<20), kvbucket.Keys("a")), b.watch(kvbucket.Buffer(1, 1<<20), kvbucket.Keys("b", "c"))}
	for _, w := range all {
		w.want("caught up")
	}
	b.put("b", "1")
	for range 4 {
		b.put("a", "v")
	}
	b.put("c", "1")
	b.forget()
	for _, w := range all[:2] {
		for last := uint64(0); ; {
			e, err := w.Next(b.ctx)
			if err != nil {
				refused(t, err, kvbucket.ErrCompacted, 4)
				break
			}
			same(t, last, e.Entry.Previous) // what it was in time for, and nothing skipped
			if e.Entry.Key == "a" {
				last = e.Revision
			}
		}
		_, err := w.Next(b.ctx)
		refused(t, err, kvbucket.ErrCompacted, 4)
	}
	all[2].want("b=1 key:b", "c=1 key:c")
	b.watch(kvbucket.Since(4)).want("a=v", "a=v", "c=1", "caught up")
}

// TestAddedIsNotSkipped: a watch from the start, for which what is gone is no
// error, tells what is gone of a filter that was added.
func TestAddedIsNotSkipped(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).direct(t), bucketOfTwo)
	b.put("a", "1")
	w := b.watch(kvbucket.FromStart(), kvbucket.Prefixes("a"))
	w.add(kvbucket.Keys("b"))
	for range 4 {
		b.put("b", "v")
	}
	for i := range 4 { // more than a page
		b.put(fmt.Sprint("a", i), string(make([]byte, kvbucket.MaxValue)))
	}
	b.forget()
	w.want("a=1 prefix:a")
	_, err := w.Next(b.ctx)
	refused(t, err, kvbucket.ErrCompacted, 4)
}

// TestPreviousIsRemembered: what a watch has seen it does not ask for.
func TestPreviousIsRemembered(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	var asked atomic.Int32
	count := func(verb string) bool {
		if verb == "kv.versions" {
			asked.Add(1)
		}
		return false
	}
	h.lose.Store(&count)
	w := b.watch(kvbucket.Previous(), kvbucket.OnlyChanges())
	w.want("caught up")
	for i := range 100 {
		b.put("a", strconv.Itoa(i))
		b.put("b", strconv.Itoa(i))
		same(t, i > 0, w.next().Previous != nil)
		same(t, i > 0, w.next().Previous != nil)
	}
	same(t, int32(0), asked.Load())
	late := b.watch(kvbucket.Previous())
	late.want("caught up")
	for i := range 3 {
		_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a", Value: []byte("x")}, {Key: "b", Value: []byte{byte(i)}}})
		check(t, err)
		late.next()
		late.next()
	}
	same(t, int32(1), asked.Load())
}

// TestPreviousWaits: while the host does not say what was replaced, Next waits
// with the change, an end of ctx loses nothing, and Close ends it.
func TestPreviousWaits(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	b.put("a", "1")
	w := b.watch(kvbucket.Previous())
	w.want("caught up")
	asked := make(chan struct{}, 1)
	lose := func(verb string) bool {
		if verb != "kv.versions" {
			return false
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return true
	}
	h.lose.Store(&lose)
	b.put("a", "2")
	ctx, stop := context.WithCancelCause(b.ctx)
	ended := make(chan error, 1)
	go func() { _, err := w.Next(ctx); ended <- err }()
	<-asked
	stop(errStop)
	if err := <-ended; !errors.Is(err, errStop) {
		t.Fatalf("want the cause, got %v", err)
	}
	h.lose.Store(nil)
	w.wantBefore("a=2 (a=1)")
	other := b.watch(kvbucket.Previous())
	other.want("caught up")
	h.lose.Store(&lose)
	b.put("a", "3")
	go func() { _, err := other.Next(b.ctx); ended <- err }()
	<-asked
	check(t, other.Close())
	if err := <-ended; !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("want ErrClosed, got %v", err)
	}
}
