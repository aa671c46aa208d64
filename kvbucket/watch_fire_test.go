package kvbucket_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// fireKeys are what the writers of a fire write.
var fireKeys = []string{"a", "a1", "a2", "b", "b1", "b2", "c", "d"}

// fire is writers at full speed, and what they wrote.
type fire struct {
	b    bucket
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	truth map[uint64][]string // keys of a transaction, in its order
}

// setFire starts writers; each transaction has one to three keys.
func setFire(b bucket, writers int) *fire {
	f := &fire{b: b, truth: map[uint64][]string{}}
	ctx, stop := context.WithCancel(b.ctx)
	f.stop = stop
	for n := range writers {
		f.wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for ctx.Err() == nil {
				f.write(r)
			}
		})
	}
	return f
}

func (f *fire) write(r *rand.Rand) {
	var kvs []kvbucket.KV
	for _, i := range r.Perm(len(fireKeys))[:1+r.IntN(3)] {
		kvs = append(kvs, kvbucket.KV{Key: fireKeys[i], Value: []byte("v")})
	}
	revision, err := f.b.PutAll(f.b.ctx, kvs)
	if err != nil {
		f.b.t.Error(err)
		f.stop()
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, kv := range kvs {
		f.truth[revision] = append(f.truth[revision], kv.Key)
	}
}

// out ends the writers with a transaction of every key and "end", whose value
// is "end", and returns its revision.
func (f *fire) out() uint64 {
	f.b.t.Helper()
	f.stop()
	f.wg.Wait()
	var kvs []kvbucket.KV
	keys := append(slices.Clone(fireKeys), "end")
	for _, key := range keys {
		kvs = append(kvs, kvbucket.KV{Key: key, Value: []byte("end")})
	}
	last, err := f.b.PutAll(f.b.ctx, kvs)
	check(f.b.t, err)
	f.truth[last] = keys
	return last
}

// line is one change as one filter sees it.
type line struct {
	revision uint64
	key      string
	filter   string
}

// expected is what filters want of the revisions in (above, last], in order.
func (f *fire) expected(above, last uint64, filters ...wanted) (out []line) {
	for r := above + 1; r <= last; r++ {
		for _, key := range f.truth[r] {
			for _, w := range filters {
				if w.wants(key) {
					out = append(out, line{r, key, w.name})
				}
			}
		}
	}
	return out
}

// wanted is a filter and what it should want.
type wanted struct {
	name   string
	option kvbucket.FilterOption
	wants  func(key string) bool
}

func fireFilters() (all []wanted) {
	for _, key := range []string{"a", "b", "c"} {
		all = append(all, wanted{"key:" + key, kvbucket.Keys(key), func(k string) bool { return k == key }})
	}
	for _, p := range []string{"a", "b", ""} {
		all = append(all, wanted{"prefix:" + p, kvbucket.Prefixes(p), kvbucket.Prefix(p).Contains})
	}
	for _, r := range []kvbucket.Range{kvbucket.Between("a1", "b1"), kvbucket.Between("b", "c")} {
		all = append(all, wanted{"range:" + r.From + "," + *r.To, kvbucket.Ranges(r), r.Contains})
	}
	return all
}

// read collects what a watch returns up to the last transaction, and checks what holds for every watch: commit order, transactions
// together, one mark.
func read(b bucket, w *kvbucket.Watch, marks int) (got []line) {
	more := false
	for {
		e, err := w.Next(b.ctx)
		switch {
		case err != nil:
			b.t.Error(err)
			return got
		case e.Entry == nil:
			if marks--; more || marks < 0 || !e.CaughtUp {
				b.t.Errorf("want one mark, between transactions, got %+v", e)
			}
			continue
		}
		if n := len(got); n > 0 && (e.Revision < got[n-1].revision || more != (e.Revision == got[n-1].revision)) {
			b.t.Errorf("revision %d after %d, with more of it: %v", e.Revision, got[n-1].revision, more)
		}
		more = e.More
		got = append(got, line{e.Revision, e.Entry.Key, e.Filter})
		if string(e.Entry.Value) == "end" && !more {
			return got
		}
	}
}

// life is one filter of a watch from an Add to its Remove.
type life struct {
	wanted
	above uint64
	end   uint64 // newest revision after Remove; of the fire if it was not removed
	gone  bool   // it was removed
}

// TestAddUnderFire: while writers write at full speed, the engine is restarted
// and connections are cut, filters come and go; each gets exactly what it wants
// above the revision that Add returned, up to its Remove.
func TestAddUnderFire(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kvbucket.WatchOption{
		"one key": {kvbucket.Keys("end")}, "two keys": {kvbucket.Keys("end", "never")}, "slow reader": {kvbucket.Keys("end"), kvbucket.Buffer(8, 1<<20)},
	} {
		for _, faults := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, faults %v", name, faults), func(t *testing.T) {
				t.Parallel()
				addUnderFire(t, opts, faults)
			})
		}
	}
}

func addUnderFire(t *testing.T, opts []kvbucket.WatchOption, faults bool) {
	const changes = 60
	h := newBed(t)
	f := setFire(openBucket(t, h.network(t), "test"), 3)
	b := openBucket(t, h.network(t), "test")
	w := b.watch(opts...)
	var got []line
	var reader sync.WaitGroup
	reader.Go(func() { got = read(b, w.Watch, 1) })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	all := fireFilters()
	on, lives := map[int]*life{}, []*life{}
	for n := range changes {
		if faults && n%20 == 10 {
			h.restart(t)
		}
		if faults && n%20 == 0 {
			check(t, b.conn.NATS().ForceReconnect())
		}
		i := r.IntN(len(all))
		if l := on[i]; l != nil {
			w.remove(l.option)
			l.end, l.gone = b.revision(), true
			delete(on, i)
			continue
		}
		before := f.b.revision()
		l := &life{wanted: all[i], above: w.add(all[i].option)}
		if after := f.b.revision(); l.above < before || l.above > after {
			t.Errorf("added between %d and %d: want a revision between, got %d", before, after, l.above)
		}
		on[i], lives = l, append(lives, l)
	}
	last := f.out()
	reader.Wait()
	checkLives(f, got, lives, last)
}

// checkLives: what a filter got in each of its lives is all from the revision
// of Add on, and ends at its Remove.
func checkLives(f *fire, got []line, lives []*life, last uint64) {
	byFilter := map[string][]line{}
	for _, l := range got {
		byFilter[l.filter] = append(byFilter[l.filter], l)
	}
	for _, l := range lives {
		if !l.gone {
			l.end = last
		}
		mine := byFilter[l.name]
		upTo, _ := slices.BinarySearchFunc(mine, l.end+1, func(e line, r uint64) int { return cmp.Compare(e.revision, r) })
		mine, byFilter[l.name] = mine[:upTo], mine[upTo:]
		want := f.expected(l.above, last, l.wanted)
		if l.gone { // the reader may have been behind when it was removed
			want = want[:min(len(want), len(mine))]
		}
		if !slices.Equal(want, mine) {
			f.b.t.Errorf("%s above %d, up to %d, removed %v: want %d events, got %d: %s", l.name, l.above, l.end, l.gone, len(want), len(mine), firstDifference(want, mine))
		}
	}
	delete(byFilter, "key:end")
	for name, rest := range byFilter {
		if len(rest) > 0 {
			f.b.t.Errorf("%s: want nothing outside of its lives, got %d events: %v", name, len(rest), rest[0])
		}
	}
}

// firstDifference shows where two sequences part.
func firstDifference(want, got []line) string {
	for i := range max(len(want), len(got)) {
		var a, b line
		if i < len(want) {
			a = want[i]
		}
		if i < len(got) {
			b = got[i]
		}
		if a != b {
			return fmt.Sprintf("at %d want %v, got %v", i, a, b)
		}
	}
	return "none"
}

// TestFanOut: many watches of single keys, prefixes and ranges, with small
// buffers among them, each get exactly their own sequence while the engine is
// restarted and connections are cut.
func TestFanOut(t *testing.T) {
	t.Parallel()
	const watchers, connections, restarts = 240, 6, 5
	h := newBed(t)
	var conns []bucket
	for range connections {
		conns = append(conns, openBucket(t, h.network(t), "test"))
	}
	filters, got := fireFilters(), make([][]line, watchers)
	var readers sync.WaitGroup
	for i := range watchers {
		b, opts := conns[i%connections], []kvbucket.WatchOption{filters[i%len(filters)].option}
		if i%3 == 0 {
			opts = append(opts, kvbucket.Buffer(4, 1<<16))
		}
		w := b.watch(opts...)
		readers.Go(func() { got[i] = read(b, w.Watch, 1) })
	}
	f := setFire(openBucket(t, h.network(t), "test"), 3)
	for n := range restarts {
		h.restart(t)
		check(t, conns[n%connections].conn.NATS().ForceReconnect())
	}
	last := f.out()
	readers.Wait()
	for i, got := range got {
		filter := filters[i%len(filters)]
		if want := f.expected(0, last, filter); !slices.Equal(want, got) {
			t.Errorf("watch %d, %s: want %d events, got %d: %s", i, filter.name, len(want), len(got), firstDifference(want, got))
		}
	}
}
