package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestWatch runs the cases of filters that change, of what was there before,
// and of waits, in process and over the network.
func TestWatch(t *testing.T) {
	t.Parallel()
	for transport, open := range map[string]func(*bed, *testing.T) *bus.Conn{"direct": (*bed).direct, "network": (*bed).network} {
		for name, run := range map[string]func(t *testing.T, b bucket){
			"add and remove":              caseAdd,
			"add to everything":           caseAddToAll,
			"add is refused":              caseAddRefused,
			"remove all":                  caseRemoveAll,
			"remove within a transaction": caseRemoveInTransaction,
			"the same filter twice":       caseSameFilter,
			"previous":                    casePrevious,
			"previous of large values":    casePreviousLarge,
			"only changes":                caseOnlyChanges,
			"K15 wait for any":            caseWaitAny,
			"K15 wait for all":            caseWaitAll,
			"waits are refused":           caseWaitRefused,
			"wait unless an owner ends":   caseWaitOwner,
		} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				run(t, openBucket(t, open(newBed(t), t), "test"))
			})
		}
	}
}

func (w watch) add(filters ...kvbucket.FilterOption) uint64 {
	w.b.t.Helper()
	r, err := w.Add(w.b.ctx, filters...)
	check(w.b.t, err)
	return r
}

func (w watch) remove(filters ...kvbucket.FilterOption) {
	w.b.t.Helper()
	check(w.b.t, w.Remove(w.b.ctx, filters...))
}

func caseAdd(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Prefixes("a"))
	b.put("b1", "0")
	same(t, uint64(1), w.add(kvbucket.Prefixes("b"), kvbucket.Keys("a1"), kvbucket.Ranges(kvbucket.Between("a2", "b"))))
	b.put("a1", "1")
	b.put("b1", "1")
	b.put("c1", "1")
	w.want("caught up", "a1=1 prefix:a +", "a1=1 key:a1", "b1=1 prefix:b")
	w.remove(kvbucket.Prefixes("a"), kvbucket.Keys("never there"))
	b.put("a1", "2")
	b.put("a2", "2")
	b.put("b1", "2")
	w.want("a1=2 key:a1", "a2=2 range:a2,b", "b1=2 prefix:b")
	w.remove(kvbucket.Keys("a1"))
	b.put("a1", "3")
	same(t, b.revision(), w.add(kvbucket.Keys("a1")))
	b.put("a1", "4")
	w.want("a1=4 key:a1")
}

func caseAddToAll(t *testing.T, b bucket) {
	w := b.watch(kvbucket.FromStart())
	b.put("a", "1")
	w.add(kvbucket.Keys("a"))
	b.put("a", "2")
	b.put("b", "3")
	w.want("a=1", "a=2 +", "a=2 key:a", "b=3", "caught up")
	w.remove(kvbucket.Keys("a"))
	b.put("a", "4")
	w.want("a=4")
}

func caseAddRefused(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Keys("a"))
	w.want("caught up")
	var many []string
	for i := range kvbucket.MaxFilters {
		many = append(many, strconv.Itoa(i))
	}
	_, err := w.Add(b.ctx, kvbucket.Keys(many...))
	refused(t, err, kvbucket.ErrTooLarge, 0)
	if _, err = w.Add(b.ctx, kvbucket.Keys("b", "")); !errors.Is(err, kvbucket.ErrEmptyKey) {
		t.Fatalf("want ErrEmptyKey, got %v", err)
	}
	gone, stop := context.WithCancelCause(b.ctx)
	stop(errStop)
	if _, err = w.Add(gone, kvbucket.Keys("b")); !errors.Is(err, errStop) {
		t.Fatalf("want the cause, got %v", err)
	}
	b.put("b", "1")
	b.put("a", "1")
	w.want("a=1 key:a")
	w.add(kvbucket.Keys(many[1:]...), kvbucket.Keys("a", "1"))
	b.put("0", "1")
	b.put("4095", "1")
	w.want("4095=1 key:4095")
	check(t, w.Close())
	if _, err = w.Add(b.ctx, kvbucket.Keys("b")); !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("want ErrClosed, got %v", err)
	}
	if err = w.Remove(b.ctx, kvbucket.Keys("a")); !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("want ErrClosed, got %v", err)
	}
}

func caseRemoveAll(t *testing.T, b bucket) {
	for _, filter := range []kvbucket.FilterOption{kvbucket.Keys("a"), kvbucket.Prefixes("a"), kvbucket.Keys("a", "b")} {
		w := b.watch(filter, kvbucket.Progress())
		w.remove(filter)
		w.want("caught up")
		r := b.put("a", "1")
		for e := w.next(); e.Revision < r; e = w.next() { // quiet, but not stuck
			same(t, "progress", eventLine(e))
		}
		w.add(kvbucket.Keys("b"))
		b.put("a", "2")
		b.put("b", "2")
		e := w.next()
		for ; e.Entry == nil; e = w.next() {
			same(t, "progress", eventLine(e))
		}
		same(t, "b=2 key:b", eventLine(e))
	}
}

// caseRemoveInTransaction: a transaction that Next has begun to return is
// returned whole.
func caseRemoveInTransaction(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Keys("a", "b"))
	w.want("caught up")
	for range 2 {
		_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a"}, {Key: "b"}})
		check(t, err)
	}
	w.want("a= key:a +")
	w.remove(kvbucket.Keys("b"))
	w.want("b= key:b", "a= key:a")
}

func caseSameFilter(t *testing.T, b bucket) {
	comma := kvbucket.Range{From: "a,b"}
	w := b.watch(kvbucket.Prefixes("a", "a"), kvbucket.Ranges(kvbucket.Between("a", "b,"), comma, comma))
	w.add(kvbucket.Prefixes("a"), kvbucket.Ranges(comma))
	b.put("a,b", "1")
	w.want("caught up", "a,b=1 prefix:a +", "a,b=1 range:a,b, +", "a,b=1 range:a,b,")
	w.remove(kvbucket.Ranges(comma))
	b.put("a,b", "2")
	w.want("a,b=2 prefix:a +", "a,b=2 range:a,b,")
}

// TestAddToOneKey: a watch of one key that gets another filter loses nothing,
// doubles nothing and says once that it has caught up, wherever it begins and
// however far it has been read.
func TestAddToOneKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		opts    []kvbucket.WatchOption
		backlog []string
	}{
		{"now", nil, nil},
		{"since", []kvbucket.WatchOption{kvbucket.Since(2)}, []string{"a=2 key:a"}},
		{"start", []kvbucket.WatchOption{kvbucket.FromStart()}, []string{"a=1 key:a", "a=2 key:a"}},
	} {
		for read := range len(c.backlog) + 2 {
			for _, restarted := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d read, restart %v", c.name, read, restarted), func(t *testing.T) {
					t.Parallel()
					addToOneKey(t, append(c.opts, kvbucket.Keys("a")), c.backlog, read, restarted)
				})
			}
		}
	}
}

func addToOneKey(t *testing.T, opts []kvbucket.WatchOption, backlog []string, read int, restarted bool) {
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	b.put("a", "1")
	b.put("a", "2")
	w := b.watch(opts...)
	got := make([]string, 0, read)
	for range read {
		got = append(got, eventLine(w.next()))
	}
	b.put("b", "3")
	b.put("a", "3")
	if read%2 == 0 {
		b.put("b", "3")
	}
	same(t, b.revision(), w.add(kvbucket.Prefixes("b")))
	if restarted {
		h.restart(t)
	}
	b.put("a", "4")
	b.put("b", "4")
	got = append(got, w.until("b=4 prefix:b")...)
	marks, events := 0, []string{}
	for i, line := range got {
		if line != "caught up" {
			events = append(events, line)
		} else if marks++; i < len(backlog) {
			t.Errorf("caught up before event %d of a backlog of %d", i, len(backlog))
		}
	}
	same(t, append(backlog, "a=3 key:a", "a=4 key:a", "b=4 prefix:b"), events)
	same(t, 1, marks)
	w.add(kvbucket.Keys("c"))
	b.put("c", "5")
	w.want("c=5 key:c")
}

// TestAddWakesNext: a Next that waits for one key returns what another filter
// wants that comes meanwhile, and does not have to look for it.
func TestAddWakesNext(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]kvbucket.WatchOption{{kvbucket.Keys("a")}, {kvbucket.Keys("a"), kvbucket.Since(1)}} {
		for _, quiet := range []bool{true, false} {
			h := newBed(t)
			b := openBucket(t, h.network(t), "test")
			b.put("a", "1")
			w := b.watch(opts...)
			w.until("caught up")
			var pages atomic.Int32
			count := func(verb string) bool {
				if verb == "kv.replay" {
					pages.Add(1)
				}
				return false
			}
			h.lose.Store(&count)
			got := make(chan string, 1)
			go func() {
				e, err := w.Next(b.ctx)
				got <- fmt.Sprint(eventLine(e), " ", err)
			}()
			if !quiet {
				b.put("c", "1")
			}
			w.add(kvbucket.Keys("b"))
			b.put("b", "1")
			same(t, "b=1 key:b <nil>", <-got)
			if n := pages.Load(); n > 2 { // the feed's first and the key's last
				t.Errorf("want at most 2 pages, got %d", n)
			}
			check(t, w.Close())
		}
	}
}

// TestAddWhileRead: what a reader of one key gets while Add asks the host is
// not returned again by the feed.
func TestAddWhileRead(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	w := b.watch(kvbucket.Keys("a"))
	w.want("caught up")
	writer := openBucket(t, h.direct(t), "test")
	var once sync.Once
	write := func(verb string) bool {
		if verb == "kv.replay" { // the revision is read, and not yet known to Add
			once.Do(func() {
				writer.put("a", "1")
				writer.put("b", "1")
				w.want("a=1 key:a")
			})
		}
		return false
	}
	h.lose.Store(&write)
	same(t, uint64(1), w.add(kvbucket.Keys("b"))) // not the 0 that was read: a=1 has been returned
	b.put("a", "2")
	w.want("b=1 key:b", "a=2 key:a")
}

// TestAddWhilePageIsRead: a page that was asked for before Add does not hide
// what the new filter wants.
func TestAddWhilePageIsRead(t *testing.T) {
	t.Parallel()
	for since, want := range map[uint64][]string{1: {"a=1 key:a", "b=2 prefix:b", "caught up"}, 2: {"b=2 prefix:b", "caught up"}} {
		h := newBed(t)
		b := openBucket(t, h.direct(t), "test")
		b.put("a", "1")
		var w watch
		var once sync.Once
		g := &gate{h, func(verb string) {
			if verb == "kv.replay" {
				once.Do(func() {
					same(t, uint64(1), w.add(kvbucket.Prefixes("b")))
					b.put("b", "2")
				})
			}
		}}
		w = openBucket(t, h.connect(t, bus.Config{Direct: g}), "test").watch(kvbucket.Since(since), kvbucket.Keys("a", "x"))
		w.want(want...)
		b.put("b", "3")
		w.want("b=3 prefix:b")
	}
}

// until returns the next events as lines, up to one.
func (w watch) until(line string) (lines []string) {
	w.b.t.Helper()
	for len(lines) == 0 || lines[len(lines)-1] != line {
		lines = append(lines, eventLine(w.next()))
	}
	return lines
}
