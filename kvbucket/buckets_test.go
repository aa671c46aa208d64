package kvbucket_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// onBoth runs a test over the network and in process.
func onBoth(t *testing.T, test func(t *testing.T, h *bed, c *bus.Conn)) {
	for name, open := range map[string]func(*bed, *testing.T) *bus.Conn{"direct": (*bed).direct, "network": (*bed).network} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newBed(t)
			test(t, h, open(h, t))
		})
	}
}

func (b bucket) create(history int) {
	b.t.Helper()
	check(b.t, kvbucket.CreateBucket(b.ctx, b.conn, b.Name(), kvbucket.BucketConfig{History: history}))
}

// info is Info without the bytes, which are about.
func (b bucket) info() kvbucket.BucketInfo {
	b.t.Helper()
	i, err := b.Info(b.ctx)
	check(b.t, err)
	if i.Bytes == 0 && i.Keys > 0 {
		b.t.Fatalf("want bytes of %d keys, got none", i.Keys)
	}
	i.Bytes = 0
	return i
}

func (b bucket) remove() error { return kvbucket.RemoveBucket(b.ctx, b.conn, b.Name()) }

// names returns the names of all buckets.
func (b bucket) names() []string {
	b.t.Helper()
	names := []string{}
	list, err := kvbucket.Buckets(b.ctx, b.conn)
	check(b.t, err)
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// TestCreateBucket: a bucket keeps as many changes of a key as it was made
// with, before and after a restart; it is made once.
func TestCreateBucket(t *testing.T) {
	t.Parallel()
	same(t, engine.DefaultHistory, kvbucket.DefaultHistory)
	onBoth(t, func(t *testing.T, h *bed, c *bus.Conn) {
		one, most, plain := openBucket(t, c, "one"), openBucket(t, c, "most"), openBucket(t, c, "plain")
		one.create(1)
		most.create(kvbucket.MaxHistory)
		plain.create(0)
		for range 2 {
			for range kvbucket.DefaultHistory + 1 {
				for _, b := range []bucket{one, most, plain} {
					b.put("a", "v")
				}
			}
			same(t, 1, len(one.history("a")))
			same(t, kvbucket.DefaultHistory, len(plain.history("a")))
			h.restart(t)
		}
		same(t, 2*(kvbucket.DefaultHistory+1), len(most.history("a")))
		same(t, kvbucket.BucketInfo{Name: "one", History: 1, Declared: true, Created: 1, Keys: 1}, one.info())
		refused(t, kvbucket.CreateBucket(one.ctx, c, "one", kvbucket.BucketConfig{}), kvbucket.ErrExists, 0)
		openBucket(t, c, "implicit").put("a", "v")
		refused(t, kvbucket.CreateBucket(one.ctx, c, "implicit", kvbucket.BucketConfig{}), kvbucket.ErrExists, 0)
	})
}

// TestBadBuckets are refused, by the host as well.
func TestBadBuckets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ *bed, c *bus.Conn) {
		b := openBucket(t, c, "test")
		for _, r := range []struct {
			name    string
			history int
			want    bus.Code
		}{
			{"test", -1, bus.CodeUsage}, {"test", kvbucket.MaxHistory + 1, bus.CodeUsage}, {"_x", 1, bus.CodeUsage}, {"", 1, bus.CodeUsage},
			{"a.b", 1, bus.CodeUsage}, {bucketOfLWJ, 1, bus.CodeDenied}, {"lwj-fifo", 1, bus.CodeDenied}, {bucketOfKept, 1, bus.CodeDenied},
			{bucketOfTwo, 1, bus.CodeExists},
		} {
			err := kvbucket.CreateBucket(b.ctx, c, r.name, kvbucket.BucketConfig{History: r.history})
			same(t, r.want, bus.CodeOf(err))
			same(t, r.want, bus.CodeOf(c.Call(b.ctx, "kv.bucket.create", []any{r.name, r.history}, nil)))
		}
		same(t, bus.CodeUsage, bus.CodeOf(c.Call(b.ctx, "kv.bucket.create", []any{"test", 0}, nil)))
		for name, want := range map[string]bus.Code{
			"_owner": bus.CodeUsage, "": bus.CodeUsage, "test": bus.CodeNotFound, bucketOfLWJ: bus.CodeDenied, bucketOfKept: bus.CodeDenied,
		} {
			same(t, want, bus.CodeOf(kvbucket.RemoveBucket(b.ctx, c, name)))
			same(t, want, bus.CodeOf(c.Call(b.ctx, "kv.bucket.remove", []any{name}, nil)))
		}
		two := openBucket(t, c, bucketOfTwo) // a layer has it, but anybody writes it
		two.put("a", "v")
		refused(t, two.remove(), kvbucket.ErrDenied, 0)
		same(t, []string{"a=v"}, two.list(everything))
		same(t, bus.CodeUsage, bus.CodeOf(c.Call(b.ctx, "kv.bucket.show", []any{"_owner"}, nil)))
		_, err := b.Info(b.ctx)
		refused(t, err, kvbucket.ErrNotFound, 1)
		same(t, uint64(1), b.revision())
	})
}

// TestBuckets lists buckets, more than fit a page.
func TestBuckets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *bed, c *bus.Conn) {
		b := openBucket(t, c, "m")
		same(t, []string{}, b.names())
		check(t, c.Call(b.ctx, "lwj.put", []any{"1.state", "submitted"}, nil))
		b.put("a", "v", b.register("o"))
		b.delete("a")
		want := []string{"lwj", "m"}
		for i := range 1100 {
			name := fmt.Sprintf("b%04d", i)
			openBucket(t, c, name).create(3)
			want = append(want, name)
		}
		slices.Sort(want)
		same(t, want, b.names())
		h.restart(t)
		same(t, want, b.names())
		same(t, kvbucket.BucketInfo{Name: "m", History: kvbucket.DefaultHistory}, b.info())
		same(t, kvbucket.BucketInfo{Name: "lwj", History: kvbucket.DefaultHistory, ReadOnly: true, Keys: 1}, openBucket(t, c, "lwj").info())
	})
}

// TestRemoveBucket: a removed bucket is as if it had never been, but that its
// past is compacted; what is put later makes it again.
func TestRemoveBucket(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *bed, c *bus.Conn) {
		b, other := openBucket(t, c, "test"), openBucket(t, c, "other")
		b.create(2)
		other.put("a", "kept")
		b.put("a", "1", kvbucket.TTL(kvbucket.MaxLease))
		before := b.put("b", "1", other.register("o"))
		w := b.watch()
		w.want("caught up")
		check(t, b.remove())
		w.want("-a +", "-b")
		at := b.revision()
		for range 2 {
			_, err := b.Info(b.ctx)
			refused(t, err, kvbucket.ErrNotFound, at)
			_, err = b.Get(b.ctx, "a", kvbucket.At(before))
			refused(t, err, kvbucket.ErrCompacted, at)
			_, err = b.List(b.ctx, everything, kvbucket.At(before))
			refused(t, err, kvbucket.ErrCompacted, at)
			_, err = b.History(b.ctx, "a")
			refused(t, err, kvbucket.ErrNotFound, at)
			_, err = b.watch(kvbucket.Since(before)).Next(b.ctx)
			refused(t, err, kvbucket.ErrCompacted, at+1)
			same(t, []string{"other"}, b.names())
			refused(t, b.remove(), kvbucket.ErrNotFound, 0)
			h.restart(t)
		}
		same(t, []string{"other"}, b.names())
		owner, err := kvbucket.ShowOwner(b.ctx, c, "o")
		check(t, err)
		same(t, 0, owner.Keys)
		revision := b.put("a", "again")
		same(t, kvbucket.BucketInfo{Name: "test", History: kvbucket.DefaultHistory, Keys: 1, Floor: at}, b.info())
		same(t, []uint64{revision, 0, 1}, []uint64{b.get("a").Revision, b.get("a").Previous, b.get("a").Version})
		w.want("a=again")
		same(t, []string{"a=kept"}, other.list(everything))
		check(t, b.remove())
		b.create(5)
		same(t, 5, b.info().History)
	})
}

// TestRemoveLargeBucket takes many transactions.
func TestRemoveLargeBucket(t *testing.T) {
	t.Parallel()
	b := openBucket(t, newBed(t).network(t), "test")
	const batches = 12
	kvs := make([]kvbucket.KV, kvbucket.MaxOperations)
	for i := range batches {
		for j := range kvs {
			kvs[j].Key = fmt.Sprintf("%0*d", kvbucket.MaxKey, i*len(kvs)+j)
		}
		_, err := b.PutAll(b.ctx, kvs)
		check(t, err)
	}
	before := b.revision()
	check(t, b.remove())
	if n := b.revision() - before; n < batches || n > 2*batches {
		t.Fatalf("want about %d transactions, got %d", batches*3/2, n)
	}
	same(t, []string{}, b.names())
}

// TestRemoveRaces: a removal beside writers ends; what was put before it is
// gone, and two removals at once do not hinder each other.
func TestRemoveRaces(t *testing.T) {
	t.Parallel()
	h := newBed(t)
	b := openBucket(t, h.network(t), "test")
	b.put("before", "v")
	var writing, removing sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		writer := openBucket(t, h.network(t), "test")
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					writer.put(fmt.Sprint(i, ".", n%8), "v")
				}
			}
		})
	}
	for range 2 {
		remover := openBucket(t, h.network(t), "test")
		removing.Go(func() {
			for range 5 {
				if err := remover.remove(); err != nil && !errors.Is(err, kvbucket.ErrRevision) && !errors.Is(err, kvbucket.ErrNotFound) {
					t.Errorf("remove: %v", err)
				}
			}
		})
	}
	removing.Wait()
	close(stop)
	writing.Wait()
	same(t, false, b.exists("before"))
	if err := b.remove(); err != nil && !errors.Is(err, kvbucket.ErrNotFound) {
		t.Fatal(err)
	}
	same(t, []string{}, b.names())
}

// TestRemoveGivesUp: a removal that others outrun says so, and ends.
func TestRemoveGivesUp(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		b := q.bucket()
		b.put("a", "v")
		outrun := func(verb string) {
			if verb == "kv.bucket.remove" {
				b.put("a", "v")
			}
		}
		q.late.Store(&outrun)
		if err := kvbucket.RemoveBucket(b.ctx, q.conn, b.Name()); !errors.Is(err, kvbucket.ErrRevision) {
			t.Fatalf("want %v, got %v", kvbucket.ErrRevision, err)
		}
		q.late.Store(nil)
		check(t, b.remove())
	})
}
