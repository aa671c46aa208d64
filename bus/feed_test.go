package bus

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/internal/pack"
)

// feeds are messages with values of every form.
func feeds() []*Feed {
	long := sampleChange(300)
	long.Value, long.Key, long.Owner = bytes.Repeat([]byte("v"), feedBytes), strings.Repeat("k", 300), strings.Repeat("o", 200)
	gone := &Change{Bucket: "other", Key: "k", Op: OpDelete, Part: 2, Parts: 2, Revision: 70_000, Previous: 1 << 33, Reason: ReasonDeleted}
	empty := &Change{Bucket: "kv", Value: []byte{}, Op: OpPut, Part: math.MaxUint32, Parts: math.MaxUint32, Revision: math.MaxUint64, Time: math.MaxInt64}
	many := &Feed{Previous: 1}
	for i := range uint64(100) {
		c := sampleChange(i + 2)
		c.Time, c.Value = int64(i)<<20, bytes.Repeat([]byte{byte(i)}, int(i)*20)
		many.Changes = append(many.Changes, c)
	}
	return []*Feed{
		{}, {Incarnation: math.MaxUint64, Epoch: 128, Previous: 65536}, many,
		{Incarnation: 1, Epoch: 2, Previous: 3, Changes: []*Change{sampleChange(4)}},
		{Changes: []*Change{long, gone, empty, {Bucket: "kv", Key: "k"}}},
	}
}

// All but negative times is read without the decoder.
func TestFeedOpens(t *testing.T) {
	t.Parallel()
	for i, want := range feeds() {
		b, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		odd := slices.ContainsFunc(want.Changes, func(c *Change) bool { return c.Time < 0 })
		got := new(Feed)
		if ok := got.open(b); ok == odd {
			t.Errorf("feed %d: want it read: %v, got %v", i, !odd, ok)
		}
		clear(b)
		if diff := cmp.Diff(want, got, unexported); !odd && diff != "" {
			t.Errorf("feed %d: want - got +\n%s", i, diff)
		}
	}
}

// What the reader of forms refuses for its size, Unmarshal refuses as well.
func TestFeedBounds(t *testing.T) {
	t.Parallel()
	if pack.MaxMessage != MaxMessage || pack.MaxElements != MaxElements {
		t.Errorf("want the bounds %d and %d, got %d and %d", MaxMessage, MaxElements, pack.MaxMessage, pack.MaxElements)
	}
}

// A reader may append to a value: the next one stays as it is.
func TestFeedValuesAreApart(t *testing.T) {
	t.Parallel()
	want := feeds()[2]
	b, _ := Marshal(want)
	got := new(Feed)
	if !got.open(b) {
		t.Fatal("want it read")
	}
	for _, c := range got.Changes {
		_ = append(c.Value, "more"...)
	}
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

// byDecoder hides from Unmarshal that a value can be read without the decoder.
type byDecoder struct{ msgpack.CustomDecoder }

// FuzzFeed holds what is read without the decoder to what the decoder reads:
// the same values, and nothing that it refuses.
func FuzzFeed(f *testing.F) {
	for _, feed := range feeds() {
		if len(feed.Changes) > 10 {
			feed.Changes = feed.Changes[3:7] // what is long takes long to vary
		}
		for _, c := range feed.Changes {
			c.Time, c.Value = max(c.Time, 0), c.Value[:min(len(c.Value), 100)]
		}
		for _, v := range []any{feed, &Page{Revision: 9, Next: 7, Changes: feed.Changes}} {
			b, err := Marshal(v)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(append(slices.Clone(b), 0xc0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		feed, page := new(Feed), new(Page)
		sameAsDecoder(t, b, feed.open(b), feed, new(Feed))
		sameAsDecoder(t, b, page.open(b), page, new(Page))
	})
}

func sameAsDecoder(t *testing.T, b []byte, ok bool, got any, want msgpack.CustomDecoder) {
	t.Helper()
	err := Unmarshal(b, &byDecoder{want})
	if err != nil && !errors.Is(err, ErrMalformed) {
		t.Fatalf("want ErrMalformed, got %v", err)
	}
	if !ok {
		return
	}
	if err != nil {
		t.Fatalf("%x: want it refused: %v", b, err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%x: want - got +\n%s", b, cmp.Diff(want, got, unexported))
	}
}

func BenchmarkOpenFeed(b *testing.B) {
	feed := &Feed{Previous: 1}
	for i := range uint64(512) {
		c := sampleChange(i + 2)
		c.Time, c.Value = 1<<60, make([]byte, 128)
		feed.Changes = append(feed.Changes, c)
	}
	msg, _ := Marshal(feed)
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !new(Feed).open(msg) {
				b.Fatal("not read")
			}
		}
	})
	b.Run("decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := Unmarshal(msg, &byDecoder{new(Feed)}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
