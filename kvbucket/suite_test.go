package kvbucket_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		testBucket(t, func(t *testing.T) *bus.Conn { return newBed(t).direct(t) })
	})
	t.Run("network", func(t *testing.T) {
		t.Parallel()
		testBucket(t, func(t *testing.T) *bus.Conn { return newBed(t).network(t) })
	})
}

// testBucket runs every case against a new host of its own.
func testBucket(t *testing.T, open func(*testing.T) *bus.Conn) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b bucket)
	}{
		{"K01 fresh bucket", caseFresh},
		{"K02 K03 ranges", caseRanges},
		{"K14 events of ranges", caseEvents},
		{"K15 wait", caseWait},
		{"K16 list, then watch", caseListThenWatch},
		{"K17 a transaction is watched whole", caseTransaction},
		{"K20 an old revision", caseOldRevision},
		{"K21 1,024 writes in flight", caseInFlight},
		{"K22 the past", casePast},
		{"K23 compacted", func(t *testing.T, b bucket) { caseCompacted(t, b, engine.DefaultHistory) }},
		{"entry", caseEntry},
		{"conditions", caseConditions},
		{"history", caseHistory},
		{"any key", caseAnyKey},
		{"large values", caseLargeValues},
		{"a list does not drift", caseNoDrift},
		{"bad requests", caseBadRequests},
		{"revisions", caseRevisions},
		{"watch from", caseWatchFrom},
		{"watch filters", caseFilters},
		{"watch many filters", caseManyFilters},
		{"watch kinds and keys", caseKinds},
		{"watch progress", caseProgress},
		{"watch slowly", caseSlow},
		{"watch is closed", caseClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, openBucket(t, open(t), "test"))
		})
	}
}

var errStop = errors.New("stop")

func caseFresh(t *testing.T, b bucket) {
	same(t, []string{}, b.list(kvbucket.Range{}))
	same(t, []string{}, b.list(kvbucket.Prefix("a")))
	_, err := b.Get(b.ctx, "a")
	refused(t, err, kvbucket.ErrNotFound, 0)
	_, err = b.History(b.ctx, "a")
	refused(t, err, kvbucket.ErrNotFound, 0)
	ok, err := b.Delete(b.ctx, "a")
	if ok || err != nil {
		t.Fatalf("delete: want false, nil, got %v, %v", ok, err)
	}
	same(t, uint64(0), b.revision())
}

func putD7(b bucket) {
	for _, kv := range [][2]string{{"bar", "a"}, {"barf", "b"}, {"bars", "c"}, {"bart", "d"}, {"foo", "e"}, {"food", "f"}, {"foodie", "g"}} {
		b.put(kv[0], kv[1])
	}
}

func caseRanges(t *testing.T, b bucket) {
	putD7(b)
	bars := "bars"
	same(t, 7, len(b.list(kvbucket.Range{})))
	same(t, 7, len(b.list(kvbucket.Prefix(""))))
	same(t, 4, len(b.list(kvbucket.Prefix("bar"))))
	same(t, 5, len(b.list(kvbucket.Range{From: bars})))
	same(t, 2, len(b.list(kvbucket.Range{To: &bars})))
	same(t, []string{"bars=c", "bart=d", "foo=e"}, b.list(kvbucket.Between("bars", "food")))
	same(t, []string{}, b.list(kvbucket.Between("foo", "bar")))
	same(t, []string{}, b.list(kvbucket.Between("foo", "foo")))
	same(t, []string{}, b.list(kvbucket.Between("", "")))
}

func caseEntry(t *testing.T, b bucket) {
	r1 := b.put("a", "1")
	r2 := b.put("a", "")
	e := b.get("a")
	if e.Time.IsZero() || e.Clock == 0 {
		t.Fatalf("want a time and a clock, got %+v", e)
	}
	e.Time, e.Clock = time.Time{}, 0
	same(t, &kvbucket.Entry{Bucket: "test", Key: "a", Value: []byte{}, Op: bus.OpPut, Revision: r2, Previous: r1, Created: r1, Version: 2}, e)
	b.delete("a")
	_, err := b.Get(b.ctx, "a", kvbucket.Serializable())
	refused(t, err, kvbucket.ErrNotFound, r2+1)
	r4 := b.put("a", "2")
	e = b.get("a")
	same(t, [4]uint64{r4, r2 + 1, r4, 1}, [4]uint64{e.Revision, e.Previous, e.Created, e.Version})
}

func caseConditions(t *testing.T, b bucket) {
	r1, err := b.Create(b.ctx, "a", []byte("1"))
	check(t, err)
	_, err = b.Create(b.ctx, "a", []byte("2"))
	refused(t, err, kvbucket.ErrExists, r1)
	_, err = b.Put(b.ctx, "a", []byte("2"), kvbucket.IfRevision(0))
	refused(t, err, kvbucket.ErrRevision, r1)
	_, err = b.Put(b.ctx, "a", []byte("2"), kvbucket.IfRevision(r1+7))
	refused(t, err, kvbucket.ErrRevision, r1)
	_, err = b.Put(b.ctx, "b", []byte("2"), kvbucket.IfRevision(r1))
	refused(t, err, kvbucket.ErrRevision, 0)
	same(t, r1, b.revision())
	r2 := b.put("a", "2", kvbucket.IfRevision(r1))
	b.put("b", "1", kvbucket.IfRevision(0))
	_, err = b.Delete(b.ctx, "a", kvbucket.IfRevision(r1))
	refused(t, err, kvbucket.ErrRevision, r2)
	_, err = b.Delete(b.ctx, "c", kvbucket.IfRevision(r1))
	refused(t, err, kvbucket.ErrRevision, 0)
	ok, err := b.Delete(b.ctx, "a", kvbucket.IfRevision(r2))
	if !ok || err != nil {
		t.Fatalf("delete: want true, nil, got %v, %v", ok, err)
	}
	same(t, []string{"b=1"}, b.list(kvbucket.Range{}))
}

func caseOldRevision(t *testing.T, b bucket) {
	old := b.put("a", "1")
	b.delete("a")
	now := b.put("a", "2")
	_, err := b.Put(b.ctx, "a", []byte("3"), kvbucket.IfRevision(old))
	refused(t, err, kvbucket.ErrRevision, now)
	same(t, []string{"a=1", "-a", "a=2"}, b.history("a"))
}

func caseHistory(t *testing.T, b bucket) {
	b.put("a", "1")
	b.put("b", "x")
	b.delete("a")
	b.put("a", "2")
	list, err := b.History(b.ctx, "a")
	check(t, err)
	same(t, []string{"a=1", "-a", "a=2"}, lines(list))
	same(t, bus.ReasonDeleted, list[1].Reason)
	for i := range engine.DefaultHistory + 3 {
		b.put("a", string(rune('A'+i)))
	}
	same(t, engine.DefaultHistory, len(b.history("a")))
}

func casePast(t *testing.T, b bucket) {
	b.put("a", "1")
	b.put("b", "1")
	s := b.put("c", "1")
	b.put("a", "2")
	b.delete("b")
	b.put("d", "2")
	at := kvbucket.At(s)
	same(t, "1", string(b.get("a", at).Value))
	same(t, "1", string(b.get("b", at).Value))
	_, err := b.Get(b.ctx, "d", at)
	refused(t, err, kvbucket.ErrNotFound, s)
	same(t, []string{"a=1", "b=1", "c=1"}, b.list(kvbucket.Range{}, at))
	same(t, []string{"a=2", "c=1", "d=2"}, b.list(kvbucket.Range{}))
	same(t, []string{}, b.list(kvbucket.Range{}, kvbucket.At(0)))
	_, err = b.Get(b.ctx, "a", kvbucket.At(s+100))
	if bus.CodeOf(err) != bus.CodeUsage {
		t.Fatalf("a revision that has not been: want a usage error, got %v", err)
	}
}

// caseCompacted is K23 for a bucket that keeps n changes of a key.
func caseCompacted(t *testing.T, b bucket, n int) {
	other := b.put("other", "x")
	var revisions []uint64
	for range n + 8 {
		revisions = append(revisions, b.put("a", "v"))
	}
	third, oldest := revisions[2], revisions[8]
	_, err := b.Get(b.ctx, "a", kvbucket.At(third))
	refused(t, err, kvbucket.ErrCompacted, oldest)
	_, err = b.List(b.ctx, kvbucket.Range{}, kvbucket.At(third))
	refused(t, err, kvbucket.ErrCompacted, oldest)
	same(t, oldest, b.get("a", kvbucket.At(oldest)).Revision)
	same(t, other, b.get("other", kvbucket.At(third)).Revision)
	same(t, n, len(b.history("a")))

	possible := revisions[7] + 1
	for _, filter := range []kvbucket.WatchOption{kvbucket.Keys("a"), kvbucket.Keys("a", "b"), kvbucket.Prefixes("a"), kvbucket.Prefixes("")} {
		_, err = b.watch(filter, kvbucket.Since(third)).Next(b.ctx)
		refused(t, err, kvbucket.ErrCompacted, possible)
		w := b.watch(filter, kvbucket.Since(possible))
		for _, r := range revisions[8:] {
			same(t, r, w.next().Revision)
		}
		w.want("caught up")
	}
	b.watch(kvbucket.Prefixes("o"), kvbucket.Since(1)).want("other=x prefix:o", "caught up")
	w := b.watch(kvbucket.FromStart(), kvbucket.Keys("a"))
	for _, r := range revisions[8:] {
		same(t, r, w.next().Revision)
	}
	w.want("caught up")
}

func caseAnyKey(t *testing.T, b bucket) {
	keys := []string{" ", "a b", ".", "..", ".a.", "a..b", "*", ">", "a.*.>", ":", "=", "=2E", "_", "_a", "漢字", "\x00", "\n", "%", "é", "a\x00b",
		string(make([]byte, kvbucket.MaxKey)), "/", "-", "$KV.x", "\U0010FFFF"}
	all := b.watch()
	all.want("caught up")
	for _, key := range keys {
		w := b.watch(kvbucket.Keys(key))
		w.want("caught up")
		r := b.put(key, "v")
		for _, e := range []*kvbucket.Entry{b.get(key), w.next().Entry, all.next().Entry} {
			if e.Key != key || string(e.Value) != "v" || e.Revision != r {
				t.Fatalf("key %q: got %q = %q at %d", key, e.Key, e.Value, e.Revision)
			}
		}
		same(t, []string{key + "=v"}, b.history(key))
		same(t, []string{key + "=v"}, b.list(kvbucket.Between(key, key+"\x00")))
		check(t, w.Close())
	}
	same(t, len(keys), len(b.list(kvbucket.Range{})))
	same(t, []string{"\U0010FFFF=v"}, b.list(kvbucket.Prefix("\U0010FFFF")))
	same(t, []string{"\U0010FFFF=v"}, b.list(kvbucket.Prefix("\xf4")))
}

func caseLargeValues(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Prefixes("big"))
	w.want("caught up")
	large := string(make([]byte, kvbucket.MaxValue))
	for range 3 {
		b.put("big", large)
		same(t, len(large), len(w.next().Entry.Value))
	}
	b.put("big2", large)
	list, err := b.List(b.ctx, kvbucket.Range{})
	check(t, err)
	same(t, 2, len(list))
	kept, err := b.History(b.ctx, "big")
	check(t, err)
	same(t, 3, len(kept))
	_, err = b.Put(b.ctx, "big", []byte(large+"x"))
	refused(t, err, kvbucket.ErrTooLarge, 0)
}

// caseNoDrift lists several pages while all keys change together.
func caseNoDrift(t *testing.T, b bucket) {
	const keys, size, lists = 48, 30 << 10, 10
	kvs := make([]kvbucket.KV, keys)
	fill := func(c byte) {
		value := make([]byte, size)
		value[0] = c
		for i := range kvs {
			kvs[i] = kvbucket.KV{Key: "k" + string(rune('A'+i)), Value: value}
		}
	}
	fill(0)
	_, err := b.PutAll(b.ctx, kvs)
	check(t, err)
	ctx, stop := context.WithCancelCause(b.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for c := byte(1); ctx.Err() == nil; c++ {
			fill(c)
			b.PutAll(ctx, kvs)
		}
	}()
	for range lists {
		list, err := b.List(b.ctx, kvbucket.Range{})
		check(t, err)
		same(t, keys, len(list))
		for _, e := range list {
			if e.Revision != list[0].Revision || e.Value[0] != list[0].Value[0] {
				t.Fatalf("want all of revision %d, got %s of %d", list[0].Revision, e.Key, e.Revision)
			}
		}
	}
	stop(errStop)
	<-ended
}

func caseBadRequests(t *testing.T, b bucket) {
	long := string(make([]byte, kvbucket.MaxKey+1))
	for key, want := range map[string]error{"": kvbucket.ErrEmptyKey, "\xff": kvbucket.ErrInvalidKey, long: kvbucket.ErrInvalidKey} {
		_, get := b.Get(b.ctx, key)
		_, put := b.Put(b.ctx, key, nil)
		_, create := b.Create(b.ctx, key, nil)
		_, del := b.Delete(b.ctx, key)
		_, history := b.History(b.ctx, key)
		_, wait := b.Wait(b.ctx, key)
		_, all := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a"}, {Key: key}})
		_, watch := b.Watch(b.ctx, kvbucket.Keys(key))
		for i, err := range []error{get, put, create, del, history, wait, all, watch} {
			if !errors.Is(err, want) || bus.CodeOf(err) != bus.CodeUsage {
				t.Errorf("key %.4q, call %d: want %v, got %v", key, i, want, err)
			}
		}
	}
	_, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "a"}, {Key: "a"}})
	if !errors.Is(err, kvbucket.ErrInvalidKey) {
		t.Errorf("a key twice: want ErrInvalidKey, got %v", err)
	}
	_, err = b.PutAll(b.ctx, make([]kvbucket.KV, kvbucket.MaxOperations+1))
	refused(t, err, kvbucket.ErrTooLarge, 0)
	_, err = b.Watch(b.ctx, kvbucket.FromStart(), kvbucket.Since(1))
	if bus.CodeOf(err) != bus.CodeUsage {
		t.Errorf("start and since: want a usage error, got %v", err)
	}
	for _, name := range []string{"", "_a", "a.b", "a b", "é", string(make([]byte, 65))} {
		if _, err := kvbucket.Open(b.conn, name); !errors.Is(err, kvbucket.ErrInvalidBucket) {
			t.Errorf("bucket %q: want ErrInvalidBucket, got %v", name, err)
		}
	}
	same(t, uint64(0), b.revision())
}

func caseRevisions(t *testing.T, b bucket) {
	r, err := b.PutAll(b.ctx, nil)
	check(t, err)
	same(t, uint64(0), r)
	r = b.put("a", "1")
	same(t, r, b.revision())
	check(t, kvbucket.WaitRevision(b.ctx, b.conn, r))
	short, cancel := context.WithTimeout(b.ctx, 20*time.Millisecond)
	defer cancel()
	err = kvbucket.WaitRevision(short, b.conn, r+1)
	if !errors.Is(err, bus.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want a timeout, got %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- kvbucket.WaitRevision(b.ctx, b.conn, r+2) }()
	b.put("a", "2")
	b.put("a", "3")
	check(t, <-done)
}

func caseWait(t *testing.T, b bucket) {
	short, cancel := context.WithTimeout(b.ctx, 20*time.Millisecond)
	defer cancel()
	_, err := b.Wait(short, "a")
	if !errors.Is(err, bus.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want a timeout, got %v", err)
	}
	type answer struct {
		e   *kvbucket.Entry
		err error
	}
	done := make(chan answer, 1)
	go func() {
		e, err := b.Wait(b.ctx, "a")
		done <- answer{e, err}
	}()
	b.put("b", "0")
	r := b.put("a", "1")
	a := <-done
	check(t, a.err)
	same(t, r, a.e.Revision)
	e, err := b.Wait(b.ctx, "a")
	check(t, err)
	same(t, "1", string(e.Value))
	b.delete("a")
	gone, stop := context.WithCancelCause(b.ctx)
	stop(errStop)
	if _, err := b.Wait(gone, "a"); !errors.Is(err, errStop) || errors.Is(err, bus.ErrTimeout) {
		t.Fatalf("want the cause, got %v", err)
	}
}
