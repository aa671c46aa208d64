package atomic_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func openEngine(t testing.TB, log engine.Log) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Config{
		Log: log, StoreID: make([]byte, 16), Layers: []engine.Layer{kvbucket.Layer(), atomic.Layer()}, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func direct(t testing.TB, h interface {
	Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response
}) *bus.Conn {
	t.Helper()
	c, err := bus.New(bus.Config{Direct: h})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// model is a key as it should be: nil where there is none.
type model struct{ text *string }

// word is what the key counts as.
func (m *model) word() (int64, error) {
	if m.text == nil {
		return 0, nil
	}
	return strconv.ParseInt(*m.text, 10, 64)
}

// TestModel compares a key that is put, deleted, and operated on with a model.
// What an operation makes of a word is TestApply's.
func TestModel(t *testing.T) {
	t.Parallel()
	c := direct(t, openEngine(t, &enginetest.MemLog{}))
	kv, err := kvbucket.Open(c, "kv")
	must(t, err)
	ctx := testContext(t)
	rapid.Check(t, func(rt *rapid.T) {
		_, err := kv.Delete(ctx, "k")
		must(rt, err)
		m := &model{}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				text := rapid.SampledFrom([]string{"7", "-1", "x", "", strconv.Itoa(math.MaxInt64)}).Draw(t, "value")
				_, err := kv.Put(ctx, "k", []byte(text))
				must(t, err)
				m.text = &text
			},
			"delete": func(t *rapid.T) {
				_, err := kv.Delete(ctx, "k")
				must(t, err)
				m.text = nil
			},
			"operation": func(t *rapid.T) { m.operation(ctx, t, c) },
			"": func(t *rapid.T) {
				e, err := kv.Get(ctx, "k")
				if missing := errors.Is(err, kvbucket.ErrNotFound); missing != (m.text == nil) || !missing && (err != nil || string(e.Value) != *m.text) {
					t.Fatalf("want %v, got %v (%v)", m.text, e, err)
				}
			},
		})
	})
}

// operation does one of any kind.
func (m *model) operation(ctx context.Context, t *rapid.T, c *bus.Conn) {
	number := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64())
	op := atomic.Op(rapid.IntRange(0, int(atomic.Remove)).Draw(t, "op"))
	x, y, strict := number.Draw(t, "x"), number.Draw(t, "y"), rapid.Bool().Draw(t, "must exist")
	var opts []atomic.WordOption
	if strict {
		opts = append(opts, atomic.MustExist())
	}
	r, err := open(t, c, "k", opts...).Do(ctx, op, x, y)
	before, none := m.word()
	switch {
	case strict && m.text == nil:
		wantError(t, atomic.ErrNotFound, err)
	case none != nil:
		wantError(t, atomic.ErrNotWord, err)
	case err != nil:
		wantError(t, atomic.ErrOverflow, err)
	case r.Before != before || r.Existed != (m.text != nil):
		t.Fatalf("%s: want %d before, got %+v", op, before, r)
	case op == atomic.Remove:
		m.text = nil
	case r.Met && op != atomic.Load:
		text := strconv.FormatInt(r.After, 10)
		m.text = &text
	}
}

func wantError(t failer, want, err error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("want %v, got %v", want, err)
	}
}

// TestAtMostOnce loses the acknowledgement of the log: an add is done once,
// whether it was stored or not, and its caller learns the value before.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for how, fault := range map[string]enginetest.Fault{"stored": enginetest.LoseAck, "not stored": enginetest.LoseWrite} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			appends := 0 // one append at a time
			log := &enginetest.MemLog{Fail: func(uint64, []byte) enginetest.Fault {
				if appends++; appends%3 == 0 {
					return fault
				}
				return enginetest.None
			}}
			ctx, w := testContext(t), open(t, direct(t, openEngine(t, log)), "n")
			for i := range int64(10) {
				if before, err := w.Add(ctx, 1); err != nil || before != i {
					t.Fatalf("want %d before, got %d (%v)", i, before, err)
				}
			}
		})
	}
}

// TestOldRequest: a request of the first three fields is understood, and so is
// one with fields of a later time.
func TestOldRequest(t *testing.T) {
	t.Parallel()
	e := openEngine(t, &enginetest.MemLog{})
	for i, fields := range [][]any{{"kv", "k", atomic.Store}, {"kv", "k", atomic.Add, 2}, {"kv", "k", atomic.Add, 3, 0, true, "more", 1}} {
		body, err := bus.Marshal(fields)
		must(t, err)
		if res := e.Call(t.Context(), "u", "atomic.do", &bus.Request{Body: body}); res.Error != nil {
			t.Errorf("request %d: want it done, got %v", i, res.Error)
		}
	}
	if got := word(t, t.Context(), direct(t, e), "k"); got != 5 {
		t.Errorf("want 5, got %d", got)
	}
}

// callerFunc is a host that is a function.
type callerFunc func(body []byte) *bus.Response

// Call answers any verb.
func (f callerFunc) Call(_ context.Context, _, _ string, req *bus.Request) *bus.Response {
	return f(req.Body)
}

// FuzzWord: whatever a request says, the host answers it, by one of its codes,
// and a refusal changes nothing.
func FuzzWord(f *testing.F) {
	record := direct(f, callerFunc(func(body []byte) *bus.Response {
		f.Add(slices.Clone(body))
		return &bus.Response{Error: bus.NewError(bus.CodeUsage, "recorded")}
	}))
	for op := atomic.Load; op <= atomic.Remove+1; op++ {
		open(f, record, "k", atomic.MustExist()).Do(f.Context(), op, math.MinInt64, int64(op))
	}
	e := openEngine(f, &enginetest.MemLog{})
	legal := []bus.Code{"", bus.CodeUsage, bus.CodeMalformed, bus.CodeNotFound, bus.CodeDenied, bus.CodeOverflow, bus.CodeNotWord}
	f.Fuzz(func(t *testing.T, body []byte) {
		for verb, most := range map[string]uint64{"atomic.do": 1, "atomic.load": 0} {
			before := e.Snapshot().Revision()
			res := e.Call(t.Context(), "u", verb, &bus.Request{Body: body})
			code := bus.Code("")
			if res.Error != nil {
				code, most = res.Error.Code, 0
			}
			if !slices.Contains(legal, code) {
				t.Fatalf("%s: want one of %v, got %v", verb, legal, res.Error)
			}
			if after := e.Snapshot().Revision(); after > before+most {
				t.Fatalf("%s, code %q: from revision %d to %d", verb, code, before, after)
			}
		}
	})
}
