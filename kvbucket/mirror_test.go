package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// group are keys that are always written together, with one value.
var group = []string{"g1", "g5", "g9"}

// wantWhole checks that no transaction on the group is seen half.
func wantWhole(t failer, s *kvbucket.Snapshot) {
	t.Helper()
	first, _ := s.Get(group[0])
	for _, key := range group[1:] {
		e, _ := s.Get(key)
		if (e == nil) != (first == nil) || e != nil && (string(e.Value) != string(first.Value) || e.Revision != first.Revision) {
			t.Fatalf("revision %d: a transaction is seen half: %v, %v", s.Revision(), first, e)
		}
	}
}

// change does something at random and returns its revision.
func (b bucket) change(rnd *rand.Rand, value string) uint64 {
	switch key := fmt.Sprint("g", rnd.IntN(40)); {
	case rnd.IntN(2) == 0:
		var kvs []kvbucket.KV
		for _, k := range group {
			kvs = append(kvs, kvbucket.KV{Key: k, Value: []byte(value)})
		}
		r, err := b.PutAll(b.ctx, kvs)
		check(b.t, err)
		return r
	case slices.Contains(group, key):
		return b.put("other", value)
	case rnd.IntN(3) == 0:
		_, err := b.Delete(b.ctx, key)
		check(b.t, err)
		return b.revision()
	default:
		return b.put(key, value)
	}
}

// TestMirrorModel: at each of its revisions a mirror is what the host was then,
// and a snapshot stays what it was.
func TestMirrorModel(t *testing.T) {
	t.Parallel()
	const writers, writes = 4, 25 // no key changes more often than the history holds
	b := openBucket(t, newBed(t).network(t), "test")
	part := kvbucket.Between("g2", "o")
	all, some := b.mirror(), b.mirror(kvbucket.MirrorRanges(part))
	var mu sync.Mutex
	seen, seenPart := map[uint64]*kvbucket.Snapshot{}, map[uint64]*kvbucket.Snapshot{}
	keep := func(revision uint64) {
		s, p := all.wait(revision), some.wait(revision)
		mu.Lock()
		defer mu.Unlock()
		seen[s.Revision()], seenPart[p.Revision()] = s, p
	}
	ctx, cancel := context.WithCancel(b.ctx)
	var looking, writing sync.WaitGroup
	looking.Go(func() { neverFalls(ctx, all) })
	for w := range writers {
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range writes {
				keep(b.change(rnd, fmt.Sprint(w, ".", i)))
			}
		})
	}
	writing.Wait()
	cancel()
	looking.Wait()
	keep(b.revision())
	for _, s := range seen {
		wantTruth(b, s, kvbucket.Range{})
	}
	for _, s := range seenPart {
		wantTruth(b, s, part)
	}
	if len(seen) < writes || len(seenPart) < writes {
		t.Errorf("want many revisions looked at, got %d and %d", len(seen), len(seenPart))
	}
}

// neverFalls looks at whatever a mirror shows until ctx ends.
func neverFalls(ctx context.Context, m mirror) {
	for last := uint64(0); ctx.Err() == nil; {
		s, err := m.WaitRevision(ctx, last+1)
		if err != nil {
			continue
		}
		wantWhole(m.b.t, s)
		if s.Revision() <= last {
			m.b.t.Errorf("revision %d after %d", s.Revision(), last)
		}
		last = s.Revision()
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).network(t), "test")
	for _, key := range []string{"bar", "barf", "bars", "bart", "foo", "food", "foodie"} {
		b.put(key, "v"+key)
	}
	m := b.mirror()
	s := m.Snapshot()
	same(t, true, s == m.Snapshot())
	same(t, uint64(7), s.Revision())
	for _, r := range []kvbucket.Range{{}, kvbucket.Prefix("bar"), kvbucket.Between("bars", "food"), kvbucket.Between("", ""), {From: "x"}} {
		want := b.list(r)
		same(t, len(want), s.Count(r))
		same(t, len(want), len(s.Keys(r)))
		same(t, want, lines(slices.Collect(s.Range(r))))
	}
	for e := range s.Range(kvbucket.Range{}) {
		same(t, "bar", e.Key)
		break
	}
	e, ok := s.Get("foo")
	same(t, true, ok)
	same(t, b.get("foo"), e)
	b.delete("foo")
	b.put("bar", "new")
	next := m.wait(9)
	_, ok = next.Get("foo")
	same(t, false, ok)
	_, ok = s.Get("foo")
	same(t, true, ok)
	same(t, 7, s.Len())
	same(t, 6, next.Len())
}

func TestMirrorRanges(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).network(t), "test")
	for _, key := range strings.Split("abcdefgh", "") {
		b.put(key, "1")
	}
	for _, tt := range []struct {
		name   string
		ranges []kvbucket.Range
		want   string
	}{
		{"apart", []kvbucket.Range{kvbucket.Between("f", "h"), kvbucket.Between("a", "c")}, "a b f g"},
		{"overlapping", []kvbucket.Range{kvbucket.Between("b", "e"), kvbucket.Between("c", "f"), kvbucket.Prefix("c")}, "b c d e"},
		{"unbounded", []kvbucket.Range{{From: "f"}, kvbucket.Prefix("g")}, "f g h"},
		{"empty", []kvbucket.Range{kvbucket.Between("c", "b")}, ""},
		{"none", nil, ""},
	} {
		m := b.mirror(kvbucket.MirrorRanges(tt.ranges...))
		same(t, tt.want, strings.Join(m.Snapshot().Keys(kvbucket.Range{}), " "))
		var last uint64
		for _, key := range strings.Split("abcdefgh", "") {
			last = b.put(key, tt.name)
		}
		s := m.wait(last)
		same(t, tt.want, strings.Join(s.Keys(kvbucket.Range{}), " "))
		for e := range s.Range(kvbucket.Range{}) {
			same(t, tt.name, string(e.Value))
		}
	}
	_, err := b.Mirror(b.ctx, kvbucket.MirrorRanges(make([]kvbucket.Range, kvbucket.MaxFilters+1)...))
	refused(t, err, kvbucket.ErrTooLarge, 0)
}

// TestMirrorReadsOwnWrites: whoever waits for the revision of a write finds it,
// and whoever waits for one that is none of the mirror's does not wait long.
func TestMirrorReadsOwnWrites(t *testing.T) {
	t.Parallel()
	c := newBed(t).network(t)
	b, other := openBucket(t, c, "test"), openBucket(t, c, "other")
	m := b.mirror(kvbucket.MirrorRanges(kvbucket.Prefix("m")))
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 20 {
				key, value := fmt.Sprint("m", i), fmt.Sprint(n)
				if e, _ := m.wait(b.put(key, value)).Get(key); e == nil || string(e.Value) != value {
					t.Errorf("want %s of %s, got %v", value, key, e)
				}
				m.wait(b.put("elsewhere", value))
				m.wait(other.put(key, value))
			}
		})
	}
	all.Wait()
	same(t, 16, m.Snapshot().Len())
	next := b.revision() + 1
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := m.WaitRevision(ctx, next); !errors.Is(err, context.Canceled) {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
	waited := make(chan uint64, 1)
	go func() { // ends with the wait
		s, _ := m.WaitRevision(b.ctx, next)
		waited <- s.Revision()
	}()
	other.put("a", "1")
	same(t, true, <-waited >= next)
}

// TestMirrorTooLarge: a mirror that may not grow ends, says so, and keeps what
// it had.
func TestMirrorTooLarge(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).network(t), "test")
	for i := range 100 {
		b.put(fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	_, err := b.Mirror(b.ctx, kvbucket.MirrorMaxBytes(10_000))
	refused(t, err, kvbucket.ErrTooLarge, 0)
	m := b.mirror(kvbucket.MirrorMaxBytes(50_000))
	for range 10 { // what is replaced or deleted takes no room
		b.put("k0", strings.Repeat("v", 5000))
		b.put("large", strings.Repeat("v", 5000))
		b.delete("large")
	}
	last := b.revision()
	m.wait(last)
	check(t, m.Err())
	r, err := b.PutAll(b.ctx, []kvbucket.KV{{Key: "k1"}, {Key: "large", Value: make([]byte, 50_000)}})
	check(t, err)
	_, err = m.WaitRevision(b.ctx, r)
	refused(t, err, kvbucket.ErrTooLarge, 0)
	refused(t, m.Err(), kvbucket.ErrTooLarge, 0)
	same(t, last, m.wait(last).Revision())
	wantTruth(b, m.Snapshot(), kvbucket.Range{})
}

// TestMirrorClose: a mirror that is closed tells who waits, and stays readable.
func TestMirrorClose(t *testing.T) {
	t.Parallel()
	c := newBed(t).network(t)
	b := openBucket(t, c, "test")
	last := b.put("a", "1")
	m, cut := b.mirror(), b.mirror()
	waiting := make(chan error, 2)
	for _, m := range []mirror{m, cut} {
		go func() { // ends with the mirror
			_, err := m.WaitRevision(b.ctx, last+1)
			waiting <- err
		}()
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { check(t, m.Close()) })
	}
	all.Wait()
	same(t, bus.CodeClosed, bus.CodeOf(m.Err()))
	c.Close()
	for range 2 {
		same(t, bus.CodeClosed, bus.CodeOf(<-waiting))
	}
	for _, m := range []mirror{m, cut} {
		_, err := m.WaitRevision(b.ctx, last+1)
		same(t, bus.CodeClosed, bus.CodeOf(err))
		same(t, 1, m.wait(last).Len())
	}
}
