package atomic

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference is the meaning of the operations in numbers without bounds.
func reference(o Op, word, x, y int64) (after *big.Int, met bool) {
	w, a, b := big.NewInt(word), big.NewInt(x), big.NewInt(y)
	holds := map[Op]bool{
		CompareAndSwap: w.Cmp(a) == 0, AddIfLess: w.Cmp(a) < 0, AddIfLessOrEqual: w.Cmp(a) <= 0, AddIfGreater: w.Cmp(a) > 0,
		AddIfGreaterOrEqual: w.Cmp(a) >= 0, AddIfEqual: w.Cmp(a) == 0, AddIfNotEqual: w.Cmp(a) != 0,
	}
	met, conditional := holds[o]
	switch {
	case conditional && !met:
		return w, false
	case o == CompareAndSwap:
		return b, true
	case conditional:
		return w.Add(w, b), true
	}
	return map[Op]func() *big.Int{
		Load: func() *big.Int { return w }, Remove: func() *big.Int { return new(big.Int) }, Store: func() *big.Int { return a },
		Add: func() *big.Int { return w.Add(w, a) }, Sub: func() *big.Int { return w.Sub(w, a) },
		And: func() *big.Int { return w.And(w, a) }, Or: func() *big.Int { return w.Or(w, a) }, Xor: func() *big.Int { return w.Xor(w, a) },
		Min: func() *big.Int { return least(w, a) }, Max: func() *big.Int { return greatest(w, a) },
	}[o](), true
}

func least(a, b *big.Int) *big.Int {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

func greatest(a, b *big.Int) *big.Int {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// edges are the numbers where words go wrong.
func edges() []int64 {
	return []int64{math.MinInt64, math.MinInt64 + 1, -1 << 32, -2, -1, 0, 1, 2, 1 << 31, 1 << 62, math.MaxInt64 - 1, math.MaxInt64}
}

func checkApply(t interface{ Fatalf(string, ...any) }, o Op, word, x, y int64) {
	want, met := reference(o, word, x, y)
	after, gotMet, err := o.apply(word, x, y)
	if !want.IsInt64() {
		if !errors.Is(err, ErrOverflow) || after != word {
			t.Fatalf("%s(%d, %d, %d): want %v and no change, got %d, %v", o, word, x, y, ErrOverflow, after, err)
		}
		return
	}
	if err != nil || after != want.Int64() || gotMet != met {
		t.Fatalf("%s(%d, %d, %d): want %d, %v, got %d, %v (%v)", o, word, x, y, want, met, after, gotMet, err)
	}
}

// TestApply compares every operation at every edge with math/big.
func TestApply(t *testing.T) {
	t.Parallel()
	for o := Load; o <= Remove; o++ {
		for _, word := range edges() {
			for _, x := range edges() {
				for _, y := range edges() {
					checkApply(t, o, word, x, y)
				}
			}
		}
	}
}

// TestApplyAny does so with any numbers.
func TestApplyAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom(edges()), rapid.Int64Range(-3, 3))
		o := Op(rapid.IntRange(int(Load), int(Remove)).Draw(t, "op"))
		checkApply(t, o, number.Draw(t, "word"), number.Draw(t, "x"), number.Draw(t, "y"))
	})
}

// TestOpsOnTheWire holds the numbers of the operations, which never change.
func TestOpsOnTheWire(t *testing.T) {
	t.Parallel()
	want := []string{"load", "store", "add", "sub", "and", "or", "xor", "min", "max", "cas", "lt", "le", "gt", "ge", "eq", "ne", "rm"}
	var got []string
	for o := Load; o <= Remove; o++ {
		got = append(got, o.String())
	}
	if !slices.Equal(want, got) {
		t.Errorf("want %v, got %v", want, got)
	}
	if got := (Remove + 1).String(); got != "unknown operation" {
		t.Errorf("want an unknown operation, got %q", got)
	}
	for _, name := range append(want, "", "<") {
		op, ok := Comparison(name)
		if wantOK := len(name) == 2 && name != "or" && name != "rm"; ok != wantOK || ok && op.String() != name {
			t.Errorf("%q: want %v, got %v, %v", name, wantOK, op, ok)
		}
	}
}

// TestParse holds what is a word, beside what the cases of Word show.
func TestParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		space := rapid.StringOfN(rapid.RuneFrom([]rune(" \t\r\n")), 0, 3, -1)
		text := space.Draw(t, "before") + big.NewInt(n).String() + space.Draw(t, "behind")
		if got, err := parse([]byte(text)); err != nil || got != n {
			t.Fatalf("%q: want %d, got %d (%v)", text, n, got, err)
		}
	})
}
