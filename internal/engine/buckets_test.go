package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func declare(bucket string, history int) step {
	return step{Kind: "declare", Bucket: bucket, Value: strings.Repeat("h", history)}
}
func drop(bucket string) step       { return step{Kind: "drop", Bucket: bucket} }
func putIn(bucket, key string) step { return step{Kind: "put", Bucket: bucket, Key: key} }
func delIn(bucket, key string) step { return step{Kind: "del", Bucket: bucket, Key: key} }

func (b *bed) stat(bucket string) engine.BucketStat {
	st, _ := b.e.View("u").BucketStat(bucket)
	return st
}

// checkpointed makes every tick write a checkpoint.
func checkpointed(c *engine.Config) { c.CheckpointAfter = 1 }

// TestDeclareBucket: a bucket keeps the history it was declared with, before
// and after restarts, and is declared once.
func TestDeclareBucket(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Config){"log": func(*engine.Config) {}, "checkpoint": checkpointed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, owners, change)
			b.steps(declare("two", 2), declare("many", 100))
			for range 2 {
				for range 150 {
					b.steps(putIn("two", "k"), putIn("many", "k"), putIn("other", "k"))
				}
				for bucket, want := range map[string]int{"two": 2, "many": 100, "other": engine.DefaultHistory} {
					if got := len(b.e.Snapshot().History(bucket, "k")); got != want {
						t.Errorf("%s: want %d versions, got %d", bucket, want, got)
					}
					if got := b.e.Bucket(bucket).History; got != want {
						t.Errorf("%s: want history %d, got %d", bucket, want, got)
					}
				}
				b.restart()
			}
			st := b.stat("two")
			if want := (engine.BucketStat{History: 2, Declared: true, Created: 1, Keys: 1, Bytes: st.Bytes}); st != want || st.Bytes < 100 {
				t.Errorf("want %+v got %+v", want, st)
			}
			for what, code := range map[string]bus.Code{
				"two": bus.CodeExists, "other": bus.CodeExists, virtuals: bus.CodeExists, "": bus.CodeExists, "_x": bus.CodeUsage,
			} { // "": bucket b, which the bed fills in
				b.steps(putIn("b", "k"))
				if got := b.try(declare(what, 1)); got != code {
					t.Errorf("%q: want %q, got %q", what, code, got)
				}
			}
			if got := b.try(declare("none", 0)); got != bus.CodeUsage {
				t.Errorf("want usage, got %q", got)
			}
		})
	}
}

// TestDropBucket: a dropped bucket is as if it had never been, but that its
// past is compacted, and it may come again.
func TestDropBucket(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Config){"log": func(*engine.Config) {}, "checkpoint": checkpointed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, owners, change)
			b.steps(declare("x", 3))
			b.steps(putIn("x", "a"), putIn("x", "b"), putIn("y", "k"))
			for what, want := range map[string]bus.Code{"x": bus.CodeUsage, "none": bus.CodeNotFound, virtuals: bus.CodeDenied} {
				if got := b.try(drop(what)); got != want {
					t.Errorf("%s: want %q, got %q", what, want, got)
				}
			}
			if got := b.try(delIn("x", "a"), delIn("x", "b"), drop("x")); got != bus.CodeUsage {
				t.Errorf("want usage, got %q", got)
			}
			b.steps(delIn("x", "a"), delIn("x", "b"))
			before := b.stat("x")
			if got := b.try(drop("x"), putIn("x", "c"), step{Kind: "fail"}); got != bus.CodeUsage {
				t.Errorf("want the failure, got %q", got)
			}
			if got := b.stat("x"); got != before {
				t.Errorf("want %+v back, got %+v", before, got)
			}
			b.steps(drop("x"))
			for range 2 {
				b.gone("x", 4)
				b.restart()
			}
			b.steps(declare("x", 5))
			b.steps(putIn("x", "a"))
			if st := b.stat("x"); st.History != 5 || st.Keys != 1 || st.Created != 5 {
				t.Errorf("made again: %+v", st)
			}
			if h := b.e.Snapshot().History("x", "a"); len(h) != 1 || h[0].Previous != 0 {
				t.Errorf("its history goes back: %+v", h[0])
			}
			b.steps(delIn("x", "a"))
			b.steps(drop("x"), putIn("x", "new")) // it comes at once, with the default
			if st := b.stat("x"); st.History != engine.DefaultHistory || st.Declared || st.Keys != 1 || st.Floor != 8 {
				t.Errorf("made again: %+v", st)
			}
		})
	}
}

// gone checks a bucket that was dropped at a revision.
func (b *bed) gone(bucket string, at uint64) {
	b.t.Helper()
	v := b.e.View("u")
	if st, ok := v.BucketStat(bucket); ok {
		b.t.Errorf("it is there: %+v", st)
	}
	if h := v.History(bucket, "a"); h != nil {
		b.t.Errorf("its history is there: %v", h)
	}
	all := func(*bus.Change) bool { b.t.Error("it has keys"); return true }
	if err := v.RangeAt(at, bucket, "", nil, all); err != nil {
		b.t.Error(err)
	}
	_, atErr := v.GetAt(at-1, bucket, "a")
	_, replayErr := v.Replay(engine.Replay{Bucket: bucket, From: at - 1})
	for _, err := range []error{v.RangeAt(at-1, bucket, "", nil, all), atErr, replayErr} {
		if bus.CodeOf(err) != bus.CodeCompacted {
			b.t.Errorf("want compacted, got %v", err)
		}
	}
	if p, err := v.Replay(engine.Replay{Bucket: bucket, From: at + 1}); err != nil || len(p.Changes) != 0 {
		b.t.Errorf("want nothing, got %v %v", p, err)
	}
}

// TestPastOfTransient: what a deleted key of a transient bucket held is not
// known, and never said to have been nothing.
func TestPastOfTransient(t *testing.T) {
	t.Parallel()
	b := newBed(t, owners)
	b.steps(putIn(passing, "a"))
	b.steps(putIn(passing, "b"))
	if c, err := b.e.Snapshot().GetAt(1, passing, "a"); err != nil || c == nil {
		t.Errorf("want the key, got %v %v", c, err)
	}
	if got := b.try(delIn(passing, "a"), step{Kind: "fail"}); got != bus.CodeUsage {
		t.Errorf("want the failure, got %q", got)
	}
	if _, err := b.e.Snapshot().GetAt(1, passing, "a"); err != nil {
		t.Errorf("a failure left a trace: %v", err)
	}
	b.steps(delIn(passing, "a"))
	for range 2 {
		s := b.e.Snapshot()
		if _, err := s.GetAt(1, passing, "a"); bus.CodeOf(err) != bus.CodeCompacted {
			t.Errorf("want compacted, got %v", err)
		}
		if err := s.RangeAt(2, passing, "", nil, func(*bus.Change) bool { return true }); bus.CodeOf(err) != bus.CodeCompacted {
			t.Errorf("want compacted, got %v", err)
		}
		if c, err := s.GetAt(3, passing, "a"); c != nil || err != nil {
			t.Errorf("want nothing, got %v %v", c, err)
		}
		b.restart()
	}
	b.steps(putIn(passing, "a"))
	if _, err := b.e.Snapshot().GetAt(1, passing, "a"); bus.CodeOf(err) != bus.CodeCompacted {
		t.Errorf("want compacted, got %v", err)
	}
}

// TestMaxBuckets: what is remembered of buckets is bounded.
func TestMaxBuckets(t *testing.T) {
	t.Parallel()
	b := newBed(t, owners)
	for i := 0; i < engine.MaxBuckets; i += 512 {
		var all []step
		for j := i; j < i+512; j++ {
			all = append(all, declare(fmt.Sprint("x", j), 1))
		}
		if code := b.try(all...); code != "" && i+512 < engine.MaxBuckets {
			t.Fatalf("at %d: %q", i, code)
		}
	}
	if code := b.try(declare("x-more", 1), declare("y", 1), declare("z", 1)); code != bus.CodeFull {
		t.Errorf("want full, got %q", code)
	}
}
