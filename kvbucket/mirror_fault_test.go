package kvbucket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestMirrorRestart: a mirror goes on behind a connection that breaks and a
// host that restarts, and lacks nothing of what was written meanwhile.
func TestMirrorRestart(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	c, v := h.behind(t)
	b := openBucket(t, h.network(t), "test")
	m := openBucket(t, c, "test").mirror()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		write := func() { b.change(rnd, fmt.Sprint(i, ".", rnd.Uint32())) }
		write()
		v.set(true)
		write()
		h.restart(t)
		write()
		v.set(false)
		write()
		h.restart(t)
		write()
		s := m.wait(b.revision())
		wantWhole(t, s)
		wantTruth(b, s, kvbucket.Range{})
	}
}

// TestMirrorReloads: a mirror whose missed changes are gone reads everything
// again, and shows nothing in between.
func TestMirrorReloads(t *testing.T) {
	t.Parallel()
	h := newForgetful(t)
	c, v := h.behind(t)
	b := openBucket(t, h.direct(t), bucketOfTwo)
	m := openBucket(t, c, bucketOfTwo).mirror()
	ctx, cancel := context.WithCancel(b.ctx)
	var looking sync.WaitGroup
	looking.Go(func() { neverFalls(ctx, m) })
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 5 {
		before := m.wait(b.revision())
		was := versions(collect(before))
		v.set(true)
		h.forget(func() {
			b.change(rnd, fmt.Sprint(i, ".", rnd.Uint32()))
			b.put("hot", fmt.Sprint(i, ".", rnd.Uint32()))
		})
		h.reopen(t)
		pages := h.count("kv.range")
		v.set(false)
		s := m.wait(b.revision())
		if pages() == 0 {
			t.Error("want everything read again")
		}
		wantTruth(b, s, kvbucket.Range{})
		same(t, was, versions(collect(before)))
	}
	cancel()
	looking.Wait()
	check(t, m.Err())
}

func collect(s *kvbucket.Snapshot) []*kvbucket.Entry {
	return slices.Collect(s.Range(kvbucket.Range{}))
}

// count counts the answers to a verb that went over the network.
func (b *bed) count(verb string) func() int64 {
	var n atomic.Int64
	count := func(v string) bool {
		if v == verb {
			n.Add(1)
		}
		return false
	}
	b.lose.Store(&count)
	return n.Load
}

// TestMirrorReloadsTwice: a mirror that is cut off again while it reads
// everything anew goes on when somebody answers.
func TestMirrorReloadsTwice(t *testing.T) {
	t.Parallel()
	h := newForgetful(t)
	c, v := h.behind(t)
	b := openBucket(t, h.direct(t), bucketOfTwo)
	m := openBucket(t, c, bucketOfTwo).mirror()
	v.set(true)
	h.forget(func() { b.put("a", "1") })
	h.reopen(t)
	var reads atomic.Int64
	failed := make(chan struct{}, 1)
	lose := func(verb string) bool {
		if verb == "kv.range" && reads.Add(1) == 1 {
			v.set(true)
			failed <- struct{}{}
			return true
		}
		return false
	}
	h.lose.Store(&lose)
	v.set(false)
	<-failed
	h.forget(func() { b.put("a", "2") })
	h.reopen(t)
	v.set(false)
	e, _ := m.wait(b.put("a", "3")).Get("a")
	same(t, "3", string(e.Value))
	check(t, m.Err())
}

// TestMirrorNewIncarnation: a store that has lost records has other keys than a
// mirror has followed: it reads them, and shows them at a higher revision.
func TestMirrorNewIncarnation(t *testing.T) {
	t.Parallel()
	h := newForgetful(t)
	b := openBucket(t, h.network(t), "test")
	for i := range 10 {
		b.put(fmt.Sprint("k", i), "1")
	}
	m := b.mirror()
	before := m.wait(10)
	h.shown = 10
	h.reopen(t, func() { h.log.Truncate(7); h.saves = enginetest.MemCheckpoints{} }) // two epochs' records and five puts
	last := b.put("new", "1")
	s := m.wait(last)
	if s.Revision() <= before.Revision() {
		t.Errorf("want a revision above %d, got %d", before.Revision(), s.Revision())
	}
	same(t, b.list(kvbucket.Range{}), lines(collect(s)))
	same(t, "k0 k1 k2 k3 k4 new", strings.Join(s.Keys(kvbucket.Range{}), " "))
	same(t, 10, before.Len())
}

// TestMirrorLoadsHotKeys: keys that change faster than their history is kept,
// that come and that go while a mirror reads its pages, do not keep it from
// being whole.
func TestMirrorLoadsHotKeys(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), bucketOfTwo)
	const keys = 300 // of 8 KiB: some five pages
	value := strings.Repeat("v", 8<<10)
	for i := range keys {
		b.put(fmt.Sprintf("k%03d", i), value)
	}
	pages := 0
	gate := &before{h, "kv.range", func() {
		for n := range 5 {
			b.put("k000", fmt.Sprint(pages, ".", n))
			b.put("k299", fmt.Sprint(pages, ".", n))
		}
		b.put(fmt.Sprint("k1", pages), "new")
		b.delete(fmt.Sprintf("k%03d", 10+pages))
		b.delete(fmt.Sprintf("k%03d", 290-pages))
		pages++
	}}
	m := openBucket(t, h.connect(t, bus.Config{Direct: gate}), bucketOfTwo).mirror()
	if pages < 4 {
		t.Errorf("want several pages, got %d", pages)
	}
	s := m.Snapshot()
	wantTruth(b, s, kvbucket.Range{})
	same(t, b.revision(), s.Revision())
}
