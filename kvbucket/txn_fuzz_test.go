package kvbucket_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// caller is a host that is a function.
type caller func(verb string, body []byte) *bus.Response

func (f caller) Call(_ context.Context, _, verb string, req *bus.Request) *bus.Response {
	return f(verb, req.Body)
}

func (f caller) bucket(t testing.TB) *kvbucket.Bucket {
	t.Helper()
	c, err := bus.New(bus.Config{Direct: f})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	b, err := kvbucket.Open(c, "test")
	check(t, err)
	return b
}

// seedTransactions has every condition and operation.
func seedTransactions() []kvbucket.Txn {
	o := kvbucket.OwnedBy(kvbucket.Owner{ID: "o_1", Token: 1})
	return []kvbucket.Txn{
		{},
		{
			If: []kvbucket.Cond{
				kvbucket.KeyExists("a"), kvbucket.KeyMissing("b"), kvbucket.ValueIs("a", kvbucket.Less, []byte("v")), kvbucket.OwnerIs("a", kvbucket.Greater, "o_12"),
				kvbucket.Unowned("a"), kvbucket.RevisionIs("a", kvbucket.Equal, 1), kvbucket.VersionIs("a", kvbucket.NotEqual, 1<<63), kvbucket.Registered(kvbucket.Owner{ID: "o_1"}),
			},
			Then: []kvbucket.Op{
				kvbucket.OpGet("a"), kvbucket.OpGetRange(everything).MetaOnly(), kvbucket.OpExists("a"), kvbucket.OpCount(upTo("b")), kvbucket.OpKeys(kvbucket.Prefix("a")),
			},
			Else: []kvbucket.Op{
				kvbucket.OpPut("a", []byte("v"), kvbucket.NoOwner()), kvbucket.OpPut("a", nil, kvbucket.TTL(kvbucket.MaxKeyTTL)), kvbucket.OpSetOwner("a", o),
				kvbucket.OpCreate("b", nil), kvbucket.OpSetDefault("c", nil), kvbucket.OpSwap("d", nil), kvbucket.OpPutAll([]kvbucket.KV{{Key: "e"}, {Key: "f"}}),
				kvbucket.OpPop("a"), kvbucket.OpPopRange(kvbucket.Between("a", "b")), kvbucket.OpDelete("a", kvbucket.IfRevision(0)), kvbucket.OpDeleteRange(everything).WithKeys(),
			},
		},
	}
}

// FuzzTxn: whatever a request says, the host answers it, by one of its codes,
// and a refusal changes nothing.
func FuzzTxn(f *testing.F) {
	record := caller(func(_ string, body []byte) *bus.Response {
		f.Add(slices.Clone(body))
		return &bus.Response{Error: bus.NewError(bus.CodeUsage, "recorded")}
	})
	b := record.bucket(f)
	for _, txn := range seedTransactions() {
		b.Commit(f.Context(), txn)
		b.Commit(f.Context(), kvbucket.Txn{Then: txn.Else})
		for _, op := range txn.Else {
			b.Commit(f.Context(), kvbucket.Txn{Then: []kvbucket.Op{op}})
		}
	}
	e, err := engine.Open(f.Context(), engine.Config{
		Log: &enginetest.MemLog{}, StoreID: make([]byte, 16), Layers: []engine.Layer{kvbucket.Layer()}, Logger: slog.New(slog.DiscardHandler),
	})
	check(f, err)
	f.Cleanup(func() { e.Close() })
	legal := []bus.Code{
		"", bus.CodeUsage, bus.CodeMalformed, bus.CodeNotFound, bus.CodeExists, bus.CodeRevision, bus.CodeFenced, bus.CodeNoOwner, bus.CodeTooLarge, bus.CodeDenied,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := e.Snapshot().Revision()
		res := e.Call(t.Context(), "u", "kv.txn", &bus.Request{Body: body})
		code := bus.Code("")
		if res.Error != nil {
			code = res.Error.Code
		}
		if !slices.Contains(legal, code) {
			t.Fatalf("want one of %v, got %v", legal, res.Error)
		}
		if after := e.Snapshot().Revision(); after > before+1 || code != "" && after != before {
			t.Fatalf("code %q: from revision %d to %d", code, before, after)
		}
	})
}

// FuzzTxnAnswer: whatever a host answers, the client returns a result for each
// operation, or an error.
func FuzzTxnAnswer(f *testing.F) {
	for _, answer := range []any{
		[]any{true, []any{}}, []any{true, []any{[]any{1}, []any{0, []any{}, []string{"a"}}}}, []any{false, nil}, []any{true, []any{nil, nil}},
		[]any{true, []any{[]any{0, []any{nil}}, []any{0}}},
	} {
		body, err := bus.Marshal(answer)
		check(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := caller(func(string, []byte) *bus.Response { return &bus.Response{Body: body} }).bucket(t)
		for _, op := range []kvbucket.Op{kvbucket.OpGet("a"), kvbucket.OpGetRange(everything), kvbucket.OpDeleteRange(everything).WithKeys()} {
			res, err := b.Commit(t.Context(), kvbucket.Txn{Then: []kvbucket.Op{op, op}, Else: []kvbucket.Op{op}})
			if err == nil && len(res.Results) != map[bool]int{true: 2, false: 1}[res.Succeeded] {
				t.Fatalf("want a result for each operation, got %v", res)
			}
		}
	})
}
