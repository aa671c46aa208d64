package engine_test

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// model is the oracle: every past of the keys, by revision.
type model struct {
	keys     map[string]string
	past     []map[string]string // by revision
	lastID   uuid.UUID           // of a request that was answered
	lastWant kvAns
}

func (m *model) commit() {
	past := map[string]string{}
	for k, v := range m.keys {
		past[k] = v
	}
	m.past = append(m.past, past)
}

func text(m map[string]string) string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// TestModel runs random requests, sent again at random, on a log that loses
// acknowledgements, writes and the engine itself, against a sorted map: state,
// every readable past and every answer are the model's (K25, K26 without a
// server).
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom([]enginetest.Fault{enginetest.None, enginetest.None, enginetest.None,
			enginetest.LoseAck, enginetest.LoseWrite}), 16, 16).Draw(rt, "faults")
		n := 0
		b := newBed(t, func(c *engine.Config) { c.CheckpointAfter, c.Keep = 2000, time.Nanosecond })
		defer b.e.Close()
		b.log.Fail = func(uint64, []byte) enginetest.Fault { n++; return faults[n%len(faults)] }
		m := &model{keys: map[string]string{}}
		m.commit() // revision 0
		rt.Repeat(map[string]func(*rapid.T){
			"put":     func(rt *rapid.T) { m.put(rt, b) },
			"append":  func(rt *rapid.T) { m.append(rt, b) },
			"delete":  func(rt *rapid.T) { m.delete(rt, b) },
			"again":   func(rt *rapid.T) { m.again(rt, b) },
			"restart": func(*rapid.T) { b.restart() },
			"":        func(rt *rapid.T) { m.check(rt, b) },
		})
	})
}

func anyKey(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "ab", ""}).Draw(rt, "key") + "k"
}

func (m *model) put(rt *rapid.T, b *bed) {
	in := kvReq{Key: anyKey(rt), Value: fmt.Sprint(len(m.past)), More: []string{anyKey(rt)}}
	in.Fail = rapid.IntRange(0, 4).Draw(rt, "fail") == 0
	a, err := b.call("put", in)
	if in.Fail {
		if err == nil {
			rt.Fatal("a failing put did not fail")
		}
		return
	}
	if a.Before != m.keys[in.Key] {
		rt.Fatalf("before: want %q got %q (%v)", m.keys[in.Key], a.Before, err)
	}
	m.keys[in.Key], m.keys[in.More[0]] = in.Value, in.Value
	m.commit()
}

func (m *model) append(rt *rapid.T, b *bed) {
	in := kvReq{Key: anyKey(rt), Value: "+"}
	m.lastID, m.lastWant = uuid.New(), kvAns{Before: m.keys[in.Key]}
	a, err := b.send("append", in, &bus.Request{ID: m.lastID[:], Base: uint64(len(m.past))})
	if err != nil || a != m.lastWant {
		rt.Fatalf("append: want %+v got %+v (%v)", m.lastWant, a, err)
	}
	m.keys[in.Key] += "+"
	m.commit()
}

// again sends the last append once more: it gets the same answer.
func (m *model) again(rt *rapid.T, b *bed) {
	if m.lastID == (uuid.UUID{}) {
		return
	}
	a, err := b.send("append", kvReq{Key: "anything", Value: "!"}, &bus.Request{ID: m.lastID[:], Base: uint64(len(m.past))})
	if err != nil || a != m.lastWant {
		rt.Fatalf("again: want %+v got %+v (%v)", m.lastWant, a, err)
	}
}

func (m *model) delete(rt *rapid.T, b *bed) {
	key := anyKey(rt)
	_, want := m.keys[key]
	a, err := b.call("delete", kvReq{Key: key})
	if err != nil || a.Existed != want {
		rt.Fatalf("delete: want %v got %+v (%v)", want, a, err)
	}
	if want {
		delete(m.keys, key)
		m.commit()
	}
}

// check compares the present, and every past that is still there.
func (m *model) check(rt *rapid.T, b *bed) {
	s := b.e.Snapshot()
	if want, got := uint64(len(m.past)-1), s.Revision(); want != got {
		rt.Fatalf("want revision %d got %d", want, got)
	}
	for rev := range m.past {
		got := map[string]string{}
		err := s.RangeAt(uint64(rev), "b", "", nil, func(c *bus.Change) bool { got[c.Key] = string(c.Value); return true })
		if err == nil && text(got) != text(m.past[rev]) {
			rt.Fatalf("at %d: want %s got %s", rev, text(m.past[rev]), text(got))
		}
		if err != nil && len(m.past) < engine.DefaultHistory {
			rt.Fatalf("at %d of %d: %v", rev, len(m.past), err)
		}
	}
	if _, err := b.e.CheckLog(context.Background()); err != nil {
		rt.Fatal(err)
	}
}

// TestReplayOfEverything: paging through a replay gives each kept change once,
// in order, however it is cut and wherever it begins.
func TestReplayOfEverything(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for i := range 3000 {
		b.must("put", kvReq{Key: fmt.Sprint("k", i%100), Value: strings.Repeat("x", 2000), More: []string{fmt.Sprint("m", i%7)}})
	}
	for _, restart := range []bool{false, true} {
		if restart {
			b.restart()
		}
		want := 100*30 + 7*engine.DefaultHistory
		if got := pageThrough(t, b, 0, true); got != want {
			t.Errorf("restart %v: want %d changes, got %d", restart, want, got)
		}
		if got := pageThrough(t, b, 2900, false); got != 2*101 {
			t.Errorf("restart %v: want %d changes, got %d", restart, 2*101, got)
		}
	}
	if _, err := b.e.View("u").Replay(engine.Replay{Bucket: "b", From: 1}); bus.CodeOf(err) != bus.CodeCompacted {
		t.Errorf("want compacted, got %v", err)
	}
}

// TestReplayFromFuture: a replay begins at the revision after the newest at
// the latest; who repairs what it has followed may be ahead of this engine.
func TestReplayFromFuture(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	newest := b.must("put", kvReq{Key: "k"}).Revision
	for _, tt := range []struct {
		r    engine.Replay
		want bus.Code
	}{
		{engine.Replay{From: newest + 1}, ""},
		{engine.Replay{From: newest + 2}, bus.CodeUsage},
		{engine.Replay{From: bus.FromNow}, bus.CodeUsage},
		{engine.Replay{From: newest + 2, Repair: true}, ""},
		{engine.Replay{From: bus.FromNow, Repair: true}, ""},
		{engine.Replay{From: newest + 2, Start: true}, ""},
	} {
		tt.r.Bucket = "b"
		if _, err := b.e.View("u").Replay(tt.r); bus.CodeOf(err) != tt.want {
			t.Errorf("%+v: want %q, got %v", tt.r, tt.want, err)
		}
	}
}

// TestReplayOfLargeTransaction: what fits in a record can be read back, also
// behind a page of small changes.
func TestReplayOfLargeTransaction(t *testing.T) {
	t.Parallel()
	type ask struct{ From uint64 }
	b := newBed(t, func(c *engine.Config) {
		c.Layers = append(c.Layers, engine.Layer{Name: "replay", Reads: []engine.Read{
			engine.ReadOf("replay", nil, func(v *engine.View, in *ask) (any, error) {
				return v.Replay(engine.Replay{Bucket: "b", From: in.From})
			}),
		}})
	})
	for i := range 100 {
		b.must("put", kvReq{Key: fmt.Sprint("small", i), Value: strings.Repeat("x", 19_000)})
	}
	large := kvReq{Key: "large", Value: strings.Repeat("x", 1<<10)}
	for i := range 7500 {
		large.More = append(large.More, fmt.Sprint("large", i))
	}
	b.must("put", large)
	got := 0
	for from := uint64(1); from != 0; {
		res := b.ask("replay", ask{From: from})
		if res.Error != nil {
			t.Fatal(res.Error)
		}
		var p bus.Page
		if err := bus.Unmarshal(res.Body, &p); err != nil {
			t.Fatal(err)
		}
		got, from = got+len(p.Changes), p.Next
	}
	if want := 100 + 1 + len(large.More); got != want {
		t.Fatalf("want %d changes, got %d", want, got)
	}
}

func pageThrough(t *testing.T, b *bed, from uint64, start bool) (n int) {
	last, part := uint64(0), uint32(0)
	for {
		p, err := b.e.View("u").Replay(engine.Replay{Bucket: "b", From: from, Start: start})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Changes {
			if c.Revision < last || c.Revision == last && c.Part <= part {
				t.Fatalf("revision %d part %d after %d part %d", c.Revision, c.Part, last, part)
			}
			last, part = c.Revision, c.Part
			n++
		}
		if from = p.Next; from == 0 {
			return n
		}
	}
}
