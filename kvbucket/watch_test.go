package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func caseEvents(t *testing.T, b bucket) {
	d := "d"
	to := b.watch(kvbucket.Ranges(kvbucket.Range{To: &d}))
	from := b.watch(kvbucket.Ranges(kvbucket.Range{From: "c"}))
	mid := b.watch(kvbucket.Ranges(kvbucket.Between("b", "e")))
	all := b.watch()
	for _, w := range []watch{to, from, mid, all} {
		w.want("caught up")
	}
	for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
		b.put(k, "1")
	}
	for _, r := range []kvbucket.Range{kvbucket.Between("b", "d"), {To: &d}, {From: "e"}} {
		_, err := b.DeleteRange(b.ctx, r)
		check(t, err)
	}
	b.delete("d")
	b.put("c", "end")
	to.want("a=1 range:,d", "b=1 range:,d", "c=1 range:,d", "-b range:,d +", "-c range:,d", "-a range:,d", "c=end range:,d")
	from.want("c=1 range:c,", "d=1 range:c,", "e=1 range:c,", "f=1 range:c,", "-c range:c,", "-e range:c, +", "-f range:c,", "-d range:c,", "c=end range:c,")
	mid.want("b=1 range:b,e", "c=1 range:b,e", "d=1 range:b,e", "-b range:b,e +", "-c range:b,e", "-d range:b,e", "c=end range:b,e")
	all.want("a=1", "b=1", "c=1", "d=1", "e=1", "f=1", "-b +", "-c", "-a", "-e +", "-f", "-d", "c=end")
}

func caseTransaction(t *testing.T, b bucket) {
	ws := []watch{b.watch(), b.watch(kvbucket.Prefixes("a")), b.watch(kvbucket.Keys("a2"))}
	for _, w := range ws {
		w.want("caught up")
	}
	r, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a1", Value: []byte("1")}, {Key: "b", Value: []byte("2")}, {Key: "a2", Value: []byte("3")}})
	check(t, err)
	same(t, r, b.revision())
	ws[0].want("a1=1 +", "b=2 +", "a2=3")
	ws[1].want("a1=1 prefix:a +", "a2=3 prefix:a")
	ws[2].want("a2=3 key:a2")
	for _, k := range []string{"a1", "a2", "b"} {
		same(t, r, b.get(k).Revision)
	}
	b.watch(kvbucket.Since(r)).want("a1=1 +", "b=2 +", "a2=3", "caught up")
}

// caseListThenWatch lists at R during 10,000 writes and watches from R+1.
func caseListThenWatch(t *testing.T, b bucket) {
	const writers, each, keys = 20, 500, 25
	type write struct{ Key, Value string }
	var mu sync.Mutex
	truth := map[uint64]write{}
	half, finished := make(chan struct{}), make(chan struct{})
	var wg, begun sync.WaitGroup
	begun.Add(writers)
	for n := range writers {
		wg.Go(func() {
			for i := range each {
				w := write{fmt.Sprintf("k%d.%d", n, i%keys), strconv.Itoa(i)}
				r, err := b.Put(b.ctx, w.Key, []byte(w.Value))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				truth[r] = w
				mu.Unlock()
				if i == each/4 {
					begun.Done()
				}
			}
		})
	}
	go func() { begun.Wait(); close(half) }()
	go func() { wg.Wait(); close(finished) }()
	<-half
	at := b.revision()
	list, err := b.List(b.ctx, kvbucket.Range{}, kvbucket.At(at))
	check(t, err)
	w := b.watch(kvbucket.Since(at + 1))
	<-finished
	last := b.revision()
	seen := map[uint64]write{}
	for next := at + 1; next <= last; {
		e := w.next()
		if e.CaughtUp {
			continue
		}
		same(t, next, e.Revision)
		seen[e.Revision] = write{e.Entry.Key, string(e.Entry.Value)}
		next++
	}
	same(t, writers*each, len(truth))
	state := map[string]*kvbucket.Entry{}
	for _, e := range list {
		state[e.Key] = e
	}
	for r, want := range truth {
		if r > at {
			same(t, want, seen[r])
		} else if e := state[want.Key]; e == nil || e.Revision < r || e.Revision == r && string(e.Value) != want.Value {
			t.Fatalf("%v of revision %d is not in the list at %d: %v", want, r, at, e)
		}
	}
	same(t, int(last-at), len(seen))
}

func caseInFlight(t *testing.T, b bucket) {
	const writes = 1024
	w := b.watch()
	w.want("caught up")
	var mu sync.Mutex
	var wg sync.WaitGroup
	truth := map[uint64]string{}
	for i := range writes {
		wg.Go(func() {
			key := strconv.Itoa(i)
			r, err := b.Put(b.ctx, key, nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			truth[r] = key
		})
	}
	wg.Wait()
	same(t, writes, len(truth))
	for r := range uint64(writes) {
		e := w.next()
		same(t, r+1, e.Revision)
		same(t, truth[e.Revision], e.Entry.Key)
	}
}

func caseWatchFrom(t *testing.T, b bucket) {
	b.put("a", "1")
	r := b.put("b", "1")
	b.put("a", "2")
	b.put("c", "1")
	for _, c := range []struct {
		name string
		opts []kvbucket.WatchOption
		want []string
	}{
		{"now", nil, []string{"caught up"}},
		{"start", []kvbucket.WatchOption{kvbucket.FromStart()}, []string{"a=1", "b=1", "a=2", "c=1", "caught up"}},
		{"zero", []kvbucket.WatchOption{kvbucket.Since(0)}, []string{"a=1", "b=1", "a=2", "c=1", "caught up"}},
		{"revision", []kvbucket.WatchOption{kvbucket.Since(r)}, []string{"b=1", "a=2", "c=1", "caught up"}},
		{"next", []kvbucket.WatchOption{kvbucket.Since(r + 3)}, []string{"caught up"}},
		{"key", []kvbucket.WatchOption{kvbucket.Since(r), kvbucket.Keys("a")}, []string{"a=2 key:a", "caught up"}},
		{"key from the start", []kvbucket.WatchOption{kvbucket.FromStart(), kvbucket.Keys("a")}, []string{"a=1 key:a", "a=2 key:a", "caught up"}},
		{"missing key", []kvbucket.WatchOption{kvbucket.FromStart(), kvbucket.Keys("x")}, []string{"caught up"}},
		{"empty range", []kvbucket.WatchOption{kvbucket.FromStart(), kvbucket.Ranges(kvbucket.Between("b", "a"))}, []string{"caught up"}},
	} {
		b.t.Logf("from %s", c.name)
		b.watch(c.opts...).want(c.want...)
	}
	for _, from := range []uint64{r + 4, bus.FromNow - 1, bus.FromNow} {
		_, at := b.Get(b.ctx, "a", kvbucket.At(from))
		same(b.t, bus.CodeUsage, bus.CodeOf(at))
		_, err := b.watch(kvbucket.Since(from)).Next(b.ctx)
		same(b.t, at.Error(), fmt.Sprint(err))
	}
	next := b.watch(kvbucket.Since(r + 3))
	next.want("caught up")
	b.put("d", "1")
	next.want("d=1")
}

func caseFilters(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Prefixes("a", ""), kvbucket.Keys("ab", "b"), kvbucket.Ranges(kvbucket.Between("aa", "ac")), kvbucket.Keys("b"))
	w.want("caught up")
	b.put("ab", "1")
	b.put("b", "2")
	b.put("c", "3")
	_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "b", Value: []byte("4")}, {Key: "a", Value: []byte("4")}})
	check(t, err)
	want := []string{"ab=1 prefix:a +", "ab=1 prefix: +", "ab=1 key:ab +", "ab=1 range:aa,ac", "b=2 prefix: +", "b=2 key:b", "c=3 prefix:",
		"b=4 prefix: +", "b=4 key:b +", "a=4 prefix:a +", "a=4 prefix:"}
	w.want(want...)
	again := b.watch(kvbucket.FromStart(), kvbucket.Prefixes("a", ""), kvbucket.Keys("ab", "b"), kvbucket.Ranges(kvbucket.Between("aa", "ac")))
	again.want(append(want, "caught up")...)
}

func caseManyFilters(t *testing.T, b bucket) {
	opts := []kvbucket.WatchOption{kvbucket.FromStart()}
	for i := range kvbucket.MaxFilters {
		opts = append(opts, kvbucket.Keys(strconv.Itoa(i)))
	}
	b.put("17", "1")
	b.put("x", "1")
	w := b.watch(opts...)
	w.want("17=1 key:17", "caught up")
	b.put("x", "2")
	b.put("4095", "2")
	w.want("4095=2 key:4095")
	_, err := b.Watch(b.ctx, append(opts, kvbucket.Prefixes("y"))...)
	refused(t, err, kvbucket.ErrTooLarge, 0)
}

func caseKinds(t *testing.T, b bucket) {
	live := b.watch(kvbucket.Kinds(bus.OpDelete))
	live.want("caught up")
	b.put("a", "1")
	b.delete("a")
	b.put("a", "2")
	b.put("b", "3")
	b.delete("b")
	live.want("-a", "-b")
	b.watch(kvbucket.FromStart(), kvbucket.Kinds(bus.OpDelete)).want("-a", "-b", "caught up")
	b.watch(kvbucket.Since(1), kvbucket.Kinds(bus.OpPut)).want("a=1", "a=2", "b=3", "caught up")
	b.watch(kvbucket.Since(1), kvbucket.Kinds(bus.OpPut, bus.OpDelete), kvbucket.Keys("a")).want("a=1 key:a", "-a key:a", "a=2 key:a", "caught up")
	bare := b.watch(kvbucket.Since(4), kvbucket.KeysOnly())
	bare.want("b=", "-b", "caught up")
	b.put("c", "4")
	e := bare.next()
	if e.Entry.Key != "c" || e.Entry.Value != nil || e.Entry.Op != bus.OpPut {
		t.Fatalf("want c without its value, got %+v", e.Entry)
	}
	same(t, "4", string(b.get("c").Value))
}

func caseProgress(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Prefixes("a"), kvbucket.Progress())
	w.want("caught up")
	r := b.put("b", "1")
	e := w.next()
	same(t, "progress", eventLine(e))
	same(t, r, e.Revision)
}

// caseSlow reads nothing until far more has happened than the buffer holds.
func caseSlow(t *testing.T, b bucket) {
	const rounds = 20
	for _, opts := range [][]kvbucket.WatchOption{{}, {kvbucket.Keys("hot")}} {
		first := b.revision()
		w := b.watch(append(opts, kvbucket.Buffer(4, 1<<20))...)
		w.want("caught up")
		for i := range rounds {
			b.put("hot", strconv.Itoa(i))
		}
		for i := range uint64(rounds) {
			same(t, first+1+i, w.next().Revision)
		}
		check(t, w.Close())
	}
}

func caseClosed(t *testing.T, b bucket) {
	w := b.watch()
	w.want("caught up")
	_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a"}, {Key: "b"}})
	check(t, err)
	w.want("a= +")
	check(t, w.Close())
	check(t, w.Close())
	if _, err := w.Next(b.ctx); !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("after Close: want ErrClosed, got %v", err)
	}
	waiting := b.watch()
	waiting.want("caught up")
	ended := make(chan error, 1)
	go func() { _, err := waiting.Next(b.ctx); ended <- err }()
	check(t, waiting.Close())
	if err := <-ended; !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("while it waits: want ErrClosed, got %v", err)
	}
	gone, cancel := context.WithCancelCause(b.ctx)
	other := b.watch()
	other.want("caught up")
	cancel(errStop)
	if _, err := other.Next(gone); !errors.Is(err, errStop) {
		t.Fatalf("want the cause, got %v", err)
	}
	b.put("c", "1")
	other.want("c=1")
}
