package kvbucket

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
)

// bound draws short strings of bytes that are close to each other and to the ends.
var bound = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xfe, 0xff}), 0, 3), func(b []byte) string { return string(b) })

func TestPrefix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, key := bound.Draw(t, "prefix"), bound.Draw(t, "key")
		if want, got := strings.HasPrefix(key, p), Prefix(p).Contains(key); want != got {
			t.Fatalf("prefix %q, key %q: want %v, got %v", p, key, want, got)
		}
	})
}

func TestSpans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ranges []wireRange
		for range rapid.IntRange(0, 5).Draw(t, "ranges") {
			r := wireRange{From: bound.Draw(t, "from")}
			if rapid.Bool().Draw(t, "bounded") {
				to := bound.Draw(t, "to")
				r.To = &to
			}
			ranges = append(ranges, r)
		}
		key := bound.Draw(t, "key")
		want := slices.ContainsFunc(ranges, func(r wireRange) bool { return Range(r).Contains(key) })
		if got := merge(ranges).contain(key); want != got {
			t.Fatalf("ranges %v, key %q: want %v, got %v", ranges, key, want, got)
		}
	})
}

// TestWireFieldsMayBeAdded: a longer array is read, a shorter one refused.
func TestWireFieldsMayBeAdded(t *testing.T) {
	t.Parallel()
	longer, err := bus.Marshal([]any{"a", nil, 1, 2, 3, 4, 5, 6, 7, 8})
	if err != nil {
		t.Fatal(err)
	}
	var in wireRange
	if err := bus.Unmarshal(longer, &in); err != nil || in != (wireRange{From: "a"}) {
		t.Fatalf("want the first fields, got %+v, %v", in, err)
	}
	if err := bus.Unmarshal([]byte{0x91, 0xa1, 'b'}, &in); bus.CodeOf(err) != bus.CodeMalformed {
		t.Fatalf("want malformed, got %v", err)
	}
	if err := bus.Unmarshal([]byte{0x93, 1, 0xc2, 0x91, 0xc0}, new(page)); bus.CodeOf(err) != bus.CodeMalformed {
		t.Fatalf("a nil change: want malformed, got %v", err)
	}
}

// FuzzWire: no bytes panic.
func FuzzWire(f *testing.F) {
	f.Add([]byte{0x93, 1, 0xc2, 0x91, 0xc0})
	f.Fuzz(func(_ *testing.T, data []byte) {
		for _, v := range []any{new(awaitRequest), new(awaitAnswer), new(versionsRequest), new(versionsAnswer), new(getRequest), new(rangeRequest), new(historyRequest), new(putRequest), new(putAllRequest),
			new(deleteRequest), new(replayRequest), new(revisionRequest), new(page), new(writeAnswer)} {
			_ = bus.Unmarshal(data, v)
		}
	})
}
