package fifo

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRecords: what is stored is read back, and what an older host stored too.
func TestRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r record
		for i, f := range r.fields() {
			*f = rapid.Uint64().Draw(t, string(rune('a'+i)))
		}
		if got, ok := decodeRecord(r.encode()); !ok || got != r {
			t.Fatalf("want %+v, got %+v", r, got)
		}
		c := claim{Name: rapid.String().Draw(t, "name"), Due: rapid.Uint64().Draw(t, "due"), Runs: []run{{1, 2, 3}, {9, 1, 1}}}
		if got, ok := decodeClaim(append(c.encode(), 1, 2, 3)); !ok || got.Name != c.Name || got.Due != c.Due || !slices.Equal(got.Runs, c.Runs) {
			t.Fatalf("want %+v, got %+v", c, got)
		}
		d := dead{Tries: rapid.Uint64().Draw(t, "tries"), Seq: 5, Time: 6, Data: []byte(rapid.String().Draw(t, "data"))}
		if got, ok := decodeDead(d.encode()); !ok || got.Tries != d.Tries || !bytes.Equal(got.Data, d.Data) {
			t.Fatalf("want %+v, got %+v", d, got)
		}
	})
	if got, ok := decodeRecord([]byte{1, 2}); !ok || got != (record{MaxItems: 1, MaxBytes: 2}) {
		t.Errorf("want the first two fields, got %+v", got)
	}
}

// FuzzStored: no bytes make a reader of stored things panic or go on for long.
func FuzzStored(f *testing.F) {
	f.Add((&claim{Name: "p", Runs: []run{{1, 2, 3}}}).encode())
	f.Add([]byte{1, 'p', 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeRecord(b)
		decodeDead(b)
		if c, ok := decodeClaim(b); ok && len(c.Runs) > len(b) {
			t.Errorf("%d runs in %d bytes", len(c.Runs), len(b))
		}
		_, _, _, _ = parseTimerID(string(b))
		_, _ = number("", string(b))
	})
}

// TestOrder: keys are in the order of their numbers, and none begins another.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		x, y := partKey(7, mainLane, a), partKey(7, mainLane, b)
		if (a < b) != (x < y) || a == b != (x == y) {
			t.Fatalf("%d and %d are not in the order of %q and %q", a, b, x, y)
		}
		if n, err := number(lanePrefix(7, mainLane), x); err != nil || n != a {
			t.Fatalf("want %d, got %d (%v)", a, n, err)
		}
		p, q := pipePrefix(a), pipePrefix(b)
		if a != b && len(p) <= len(q) && q[:len(p)] == p {
			t.Fatalf("%q begins %q", p, q)
		}
	})
}

// TestSplit: places leave their runs one by one, the others stay.
func TestSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var runs []run
		tries, at := map[uint64]uint64{}, uint64(1)
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			r := run{First: at + rapid.Uint64Range(0, 2).Draw(t, "gap"), Count: rapid.Uint64Range(1, 5).Draw(t, "count"), Tries: rapid.Uint64Range(1, 2).Draw(t, "tries")}
			for n := range r.Count {
				tries[r.First+n] = r.Tries
			}
			runs, at = append(runs, r), r.First+r.Count
		}
		var places []uint64
		for p := range at {
			if tries[p] > 0 && rapid.Bool().Draw(t, "picked") {
				places = append(places, p)
			}
		}
		picked, left, ok := split(runs, places)
		if len(places) == 0 {
			return
		}
		got := map[uint64]uint64{}
		for i, r := range slices.Concat(picked, left) {
			for n := range r.Count {
				if _, twice := got[r.First+n]; twice || (i < len(picked)) != slices.Contains(places, r.First+n) {
					t.Fatalf("place %d is where it should not be", r.First+n)
				}
				got[r.First+n] = r.Tries
			}
		}
		if !ok || len(got) != len(tries) || count(picked) != uint64(len(places)) {
			t.Fatalf("want %d places in all, got %d", len(tries), len(got))
		}
		for p, n := range tries {
			if got[p] != n {
				t.Fatalf("place %d: want %d tries, got %d", p, n, got[p])
			}
		}
	})
	if _, _, ok := split([]run{{1, 2, 1}}, []uint64{3}); ok {
		t.Error("want a place that is in no run refused")
	}
}
