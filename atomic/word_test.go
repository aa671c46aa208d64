package atomic_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestWord goes through what one caller can see, in process and over the API.
func TestWord(t *testing.T) {
	t.Parallel()
	natstest.Transports(t, func(t *testing.T, _ *natstest.Bed, c *bus.Conn) {
		kv, err := kvbucket.Open(c, "kv")
		must(t, err)
		for name, run := range map[string]func(*testing.T, context.Context, *bus.Conn, *kvbucket.Bucket){
			"A01 absent": caseAbsent, "A05 overflow": caseOverflow, "A06 not a word": caseNotWord, "operations": caseOperations,
			"must exist": caseMustExist, "stored as text": caseText, "remove": caseRemove, "revisions": caseRevisions, "usage": caseUsage,
		} {
			t.Run(name, func(t *testing.T) { run(t, testContext(t), c, kv) }) // one after the other: some count revisions
		}
	})
}

// caseAbsent is A01.
func caseAbsent(t *testing.T, ctx context.Context, c *bus.Conn, _ *kvbucket.Bucket) {
	w := open(t, c, "absent")
	for _, step := range []struct{ add, before int64 }{{0, 0}, {9, 0}} {
		before, err := w.Add(ctx, step.add)
		if err != nil || before != step.before {
			t.Fatalf("add %d: want %d before, got %d (%v)", step.add, step.before, before, err)
		}
	}
	if got := word(t, ctx, c, "absent"); got != 9 {
		t.Errorf("want 9, got %d", got)
	}
}

// caseOverflow is A05.
func caseOverflow(t *testing.T, ctx context.Context, c *bus.Conn, _ *kvbucket.Bucket) {
	w := open(t, c, "full")
	_, err := w.Store(ctx, math.MaxInt64)
	must(t, err)
	_, add := w.Add(ctx, 1)
	_, sub := w.Sub(ctx, -1)
	_, _, addIf := w.AddIf(ctx, atomic.AddIfGreater, 0, 1)
	for name, err := range map[string]error{"add": add, "sub": sub, "add if": addIf} {
		if !errors.Is(err, atomic.ErrOverflow) {
			t.Errorf("%s: want %v, got %v", name, atomic.ErrOverflow, err)
		}
	}
	if got := word(t, ctx, c, "full"); got != math.MaxInt64 {
		t.Errorf("want it unchanged, got %d", got)
	}
}

// caseNotWord is A06, of every operation.
func caseNotWord(t *testing.T, ctx context.Context, c *bus.Conn, kv *kvbucket.Bucket) {
	for _, value := range []string{"abc", "", " ", "1.0", "1e3", "0x10", "1_000", "9223372036854775808", "1 2", "\xff"} {
		rev, err := kv.Put(ctx, "text", []byte(value))
		must(t, err)
		for op := atomic.Load; op <= atomic.Remove; op++ {
			if r, err := open(t, c, "text").Do(ctx, op, 0, 0); !errors.Is(err, atomic.ErrNotWord) {
				t.Errorf("%s of %q: want %v, got %+v, %v", op, value, atomic.ErrNotWord, r, err)
			}
		}
		if e, err := kv.Get(ctx, "text"); err != nil || string(e.Value) != value || e.Revision != rev {
			t.Errorf("want %q unchanged, got %v (%v)", value, e, err)
		}
	}
}

func caseOperations(t *testing.T, ctx context.Context, c *bus.Conn, _ *kvbucket.Bucket) {
	w := open(t, c, "n")
	for i, step := range []struct {
		do     func(context.Context, int64) (int64, error)
		x      int64
		before int64
	}{
		{w.Store, 12, 0}, {w.Add, 3, 12}, {w.Sub, 5, 15}, {w.And, 6, 10}, {w.Or, 1, 2}, {w.Xor, -1, 3},
		{w.Min, -7, -4}, {w.Max, -5, -7}, {w.Exchange, 1, -5}, {w.Add, 0, 1},
	} {
		if before, err := step.do(ctx, step.x); err != nil || before != step.before {
			t.Fatalf("step %d: want %d before, got %d (%v)", i, step.before, before, err)
		}
	}
	for i, step := range []struct {
		do     func() (int64, bool, error)
		before int64
		met    bool
	}{
		{func() (int64, bool, error) { return w.CompareAndSwap(ctx, 2, 5) }, 1, false},
		{func() (int64, bool, error) { return w.CompareAndSwap(ctx, 1, 5) }, 1, true},
		{func() (int64, bool, error) { return w.AddIf(ctx, atomic.AddIfLess, 5, 1) }, 5, false},
		{func() (int64, bool, error) { return w.AddIf(ctx, atomic.AddIfLessOrEqual, 5, -10) }, 5, true},
	} {
		if before, met, err := step.do(); err != nil || before != step.before || met != step.met {
			t.Fatalf("condition %d: want %d, %v, got %d, %v (%v)", i, step.before, step.met, before, met, err)
		}
	}
	if got := word(t, ctx, c, "n"); got != -5 {
		t.Errorf("want -5, got %d", got)
	}
}

func caseMustExist(t *testing.T, ctx context.Context, c *bus.Conn, kv *kvbucket.Bucket) {
	w := open(t, c, "nobody", atomic.MustExist())
	for op := atomic.Load; op <= atomic.Remove; op++ {
		if r, err := w.Do(ctx, op, 0, 0); !errors.Is(err, atomic.ErrNotFound) {
			t.Errorf("%s: want %v, got %+v, %v", op, atomic.ErrNotFound, r, err)
		}
	}
	if there, err := kv.Exists(ctx, "nobody"); there || err != nil {
		t.Errorf("want no key made, got %v (%v)", there, err)
	}
	if got, err := open(t, c, "nobody").Load(ctx); got != 0 || err != nil {
		t.Errorf("want 0 of what is absent, got %d (%v)", got, err)
	}
}

// caseText: what people write is a word, and what is stored is text.
func caseText(t *testing.T, ctx context.Context, c *bus.Conn, kv *kvbucket.Bucket) {
	for value, want := range map[string]int64{"5\n": 5, " \t-7\r\n": -7, "+3": 3, "007": 7, "-9223372036854775808": math.MinInt64} {
		_, err := kv.Put(ctx, "t", []byte(value))
		must(t, err)
		if got := word(t, ctx, c, "t"); got != want {
			t.Errorf("%q: want %d, got %d", value, want, got)
		}
	}
	_, err := open(t, c, "t").Store(ctx, -42)
	must(t, err)
	if e, err := kv.Get(ctx, "t"); err != nil || string(e.Value) != "-42" {
		t.Errorf("want -42 in the bucket, got %v (%v)", e, err)
	}
}

func caseRemove(t *testing.T, ctx context.Context, c *bus.Conn, kv *kvbucket.Bucket) {
	w := open(t, c, "gone")
	_, err := w.Store(ctx, 4)
	must(t, err)
	for _, want := range []int64{4, 0} {
		if before, err := w.Remove(ctx); before != want || err != nil {
			t.Errorf("want %d before, got %d (%v)", want, before, err)
		}
	}
	if there, err := kv.Exists(ctx, "gone"); there || err != nil {
		t.Errorf("want no key, got %v (%v)", there, err)
	}
}

// caseRevisions: without a condition an operation writes, with one that is not
// met it does not, and both say at which revision.
func caseRevisions(t *testing.T, ctx context.Context, c *bus.Conn, _ *kvbucket.Bucket) {
	now, err := kvbucket.Revision(ctx, c)
	must(t, err)
	w := open(t, c, "revisions")
	for i, step := range []struct {
		op   atomic.Op
		x, y int64
		want atomic.Result // its revision: beyond now
	}{
		{atomic.Load, 0, 0, atomic.Result{Met: true}},
		{atomic.AddIfGreater, 0, 1, atomic.Result{}},
		{atomic.Remove, 0, 0, atomic.Result{Met: true}},
		{atomic.Add, 0, 0, atomic.Result{Met: true, Revision: 1}},
		{atomic.Add, 0, 0, atomic.Result{Met: true, Existed: true, Revision: 2}},
		{atomic.CompareAndSwap, 1, 2, atomic.Result{Existed: true, Revision: 2}},
		{atomic.CompareAndSwap, 0, 2, atomic.Result{After: 2, Met: true, Existed: true, Revision: 3}},
		{atomic.Load, 0, 0, atomic.Result{Before: 2, After: 2, Met: true, Existed: true, Revision: 3}},
		{atomic.Remove, 0, 0, atomic.Result{Before: 2, Met: true, Existed: true, Revision: 4}},
	} {
		step.want.Revision += now
		if got, err := w.Do(ctx, step.op, step.x, step.y); err != nil || got != step.want {
			t.Fatalf("step %d, %s: want %+v, got %+v (%v)", i, step.op, step.want, got, err)
		}
	}
}

func caseUsage(t *testing.T, ctx context.Context, c *bus.Conn, _ *kvbucket.Bucket) {
	for _, tt := range []struct {
		bucket, key string
		want        error
	}{
		{"a b", "k", kvbucket.ErrInvalidBucket}, {"kv", "", kvbucket.ErrEmptyKey}, {"kv", "\xff", kvbucket.ErrInvalidKey},
		{"lwj", "k", kvbucket.ErrDenied}, {"lwj-lock", "k", kvbucket.ErrDenied},
	} {
		if _, err := atomic.Open(c, tt.bucket, tt.key); !errors.Is(err, tt.want) {
			t.Errorf("bucket %q, key %q: want %v, got %v", tt.bucket, tt.key, tt.want, err)
		}
	}
	_, _, addIf := open(t, c, "k").AddIf(ctx, atomic.Add, 1, 1)
	_, unknown := open(t, c, "k").Do(ctx, atomic.Remove+1, 1, 1)
	for _, err := range []error{addIf, unknown} {
		if bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("want a usage error, got %v", err)
		}
	}
}

// TestOwner: an operation leaves a key to its owner, with whom it goes.
func TestOwner(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	c := bed.Conn()
	kv, err := kvbucket.Open(c, "kv")
	must(t, err)
	owner, err := kvbucket.RegisterOwner(ctx, c, "me", 0, "")
	must(t, err)
	_, err = kv.Put(ctx, "n", []byte("1"), kvbucket.OwnedBy(owner))
	must(t, err)
	_, err = open(t, c, "n").Add(ctx, 1)
	must(t, err)
	if e, err := kv.Get(ctx, "n"); err != nil || string(e.Value) != "2" || e.Owner != owner.ID {
		t.Fatalf("want 2 of %q, got %v (%v)", owner.ID, e, err)
	}
	must(t, kvbucket.EndOwner(ctx, c, owner))
	if r, err := open(t, c, "n").Do(ctx, atomic.Load, 0, 0); err != nil || r.Existed {
		t.Errorf("want it gone with its owner, got %+v (%v)", r, err)
	}
}

// TestRestart: words are there after a restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	c := bed.Conn()
	for i := range int64(3) {
		if before, err := open(t, c, "n").Add(ctx, 1); err != nil || before != i {
			t.Fatalf("want %d before, got %d (%v)", i, before, err)
		}
		bed.Restart()
	}
}
