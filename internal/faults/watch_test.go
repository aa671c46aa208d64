package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	watchConns = 4
	watchEach  = 15 // watches of each connection
	watchKeys  = 8
	watchKills = 4
	watchPuts  = 150 // of each key between two kills
)

// chained checks a watch: of each key it returns every change there is, once,
// in order.
type chained struct {
	t        *testing.T
	last     map[string]*kvbucket.Entry
	revision uint64
	marks    int
}

// until reads until the keys have had their last value.
func (c *chained) until(ctx context.Context, w *kvbucket.Watch, keys int) {
	for done := 0; done < keys; {
		e, err := w.Next(ctx)
		if err != nil {
			c.t.Error(err)
			return
		}
		if e.Entry == nil {
			c.marks++
			continue
		}
		c.take(&e)
		if string(e.Entry.Value) == "end" {
			done++
		}
	}
	if c.marks != 1 {
		c.t.Errorf("want one mark, got %d", c.marks)
	}
}

func (c *chained) take(e *kvbucket.Event) {
	last := c.last[e.Entry.Key]
	switch {
	case e.Revision < c.revision:
		c.t.Errorf("%s at %d comes after %d", e.Entry.Key, e.Revision, c.revision)
	case last == nil && e.Previous != nil, last != nil && (e.Previous == nil || e.Previous.Revision != last.Revision):
		c.t.Errorf("%s at %d: want it to follow %+v, got %+v", e.Entry.Key, e.Revision, last, e.Previous)
	case last != nil && string(e.Previous.Value) != string(last.Value):
		c.t.Errorf("%s at %d: want %q before it, got %q", e.Entry.Key, e.Revision, last.Value, e.Previous.Value)
	}
	c.revision, c.last[e.Entry.Key] = e.Revision, e.Entry
}

// TestWatchesThroughKills: while the host is killed again and again and
// connections are cut, watches of keys and prefixes, some of which get another
// filter as they run, return every change once, with what it replaced; and who
// waits for the last of the keys is woken.
func TestWatchesThroughKills(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	var conns []*bus.Conn
	var wg sync.WaitGroup
	for range watchConns {
		c := dial(t, dir, bus.Config{})
		conns = append(conns, c)
		for i := range watchEach {
			follow(ctx, t, &wg, open(t, c), i)
		}
		wg.Go(func() {
			keys := []string{"end0", "end1"}
			if list, err := open(t, c).WaitAll(ctx, keys); err != nil || len(list) != len(keys) {
				t.Errorf("want the last keys, got %v, %v", list, err)
			}
		})
	}
	writer := open(t, dial(t, dir, bus.Config{RequestTimeout: patience}))
	for range watchKills {
		hosts.prepare()
		done := make(chan error, watchKeys)
		for k := range watchKeys {
			go func() { done <- putAll(ctx, writer, k) }()
		}
		pass(ctx, r, killWindow)
		must(t, conns[r.IntN(watchConns)].NATS().ForceReconnect())
		hosts.crash()
		hosts.recovered()
		for range watchKeys {
			must(t, <-done)
		}
	}
	for k := range watchKeys {
		must(t, put(ctx, writer, keyOf(k), "end"))
	}
	must(t, put(ctx, writer, "end1", ""))
	must(t, put(ctx, writer, "end0", ""))
	wg.Wait()
	hosts.stop()
	hosted(t, dir)
}

// follow starts the i-th watch of a connection: of one key, of a prefix or of
// two keys, of which one is added while it is read.
func follow(ctx context.Context, t *testing.T, wg *sync.WaitGroup, b *kvbucket.Bucket, i int) {
	t.Helper()
	key, keys := keyOf(i%watchKeys), 1
	opts := []kvbucket.WatchOption{kvbucket.Previous(), kvbucket.Keys(key)}
	if i%3 == 1 {
		opts[1], keys = kvbucket.Prefixes("k"), watchKeys
	}
	if i%5 == 0 {
		opts = append(opts, kvbucket.Buffer(16, 1<<20))
	}
	w, err := b.Watch(ctx, opts...)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	c := &chained{t: t, last: map[string]*kvbucket.Entry{}}
	if i%3 == 2 {
		_, err := w.Add(ctx, kvbucket.Keys(keyOf((i+1)%watchKeys)))
		must(t, err)
		keys++
	}
	wg.Go(func() { c.until(ctx, w, keys) })
}

func keyOf(k int) string { return fmt.Sprint("k", k) }

func putAll(ctx context.Context, b *kvbucket.Bucket, k int) error {
	for i := range watchPuts {
		if err := put(ctx, b, keyOf(k), strconv.Itoa(i+rand.IntN(2))); err != nil {
			return err
		}
	}
	return nil
}

func put(ctx context.Context, b *kvbucket.Bucket, key, value string) error {
	_, err := b.Put(ctx, key, []byte(value))
	return err
}
