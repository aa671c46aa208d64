package kvbucket_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func caseTxnLimits(t *testing.T, b bucket) {
	ops := make([]kvbucket.Op, kvbucket.MaxOperations+1)
	conds := make([]kvbucket.Cond, kvbucket.MaxOperations+1)
	for i := range ops {
		ops[i], conds[i] = kvbucket.OpPut(strconv.Itoa(i), nil), kvbucket.KeyMissing(strconv.Itoa(i))
	}
	kvs := make([]kvbucket.KV, kvbucket.MaxOperations)
	for i := range kvs {
		kvs[i].Key = strconv.Itoa(i)
	}
	for name, txn := range map[string]kvbucket.Txn{
		"then": {Then: ops}, "else": {Else: ops}, "if": {If: conds},
		"keys": {Then: []kvbucket.Op{kvbucket.OpPutAll(kvs), kvbucket.OpGet("a")}},
	} {
		if _, err := b.Commit(b.ctx, txn); bus.CodeOf(err) != bus.CodeTooLarge {
			t.Errorf("%s: want ErrTooLarge, got %v", name, err)
		}
	}
	most := kvbucket.MaxOperations
	same(t, true, b.commit(kvbucket.Txn{If: conds[:most], Then: ops[:most], Else: ops[:most]}).Succeeded)
	same(t, most, b.count(everything))

	// What does not fit a record, and results that do not fit an answer.
	before, large := b.revision(), bytes.Repeat([]byte("x"), kvbucket.MaxValue)
	var puts, reads []kvbucket.Op
	for i := range 9 {
		puts, reads = append(puts, kvbucket.OpPut(strconv.Itoa(i), large)), append(reads, kvbucket.OpGet("large"))
	}
	_, err := b.Commit(b.ctx, kvbucket.Txn{Then: puts})
	refused(t, err, kvbucket.ErrTooLarge, 0)
	same(t, before, b.revision())
	b.put("large", string(large))
	_, err = b.Commit(b.ctx, kvbucket.Txn{Then: reads})
	refused(t, err, kvbucket.ErrTooLarge, 0)
	same(t, 7, len(b.do(reads[:7]...).Results))
	_, err = b.Commit(b.ctx, kvbucket.Txn{Then: append([]kvbucket.Op{kvbucket.OpPut("0", nil)}, reads...)})
	refused(t, err, kvbucket.ErrTooLarge, 0)
	same(t, before+1, b.revision())
}

// caseBadTransactions are refused whole, whichever branch would be taken.
func caseBadTransactions(t *testing.T, b bucket) {
	for name, txn := range map[string]kvbucket.Txn{
		"operator":       {If: []kvbucket.Cond{kvbucket.ValueIs("a", "=", nil)}},
		"no operator":    {If: []kvbucket.Cond{kvbucket.VersionIs("a", "", 0)}},
		"no key":         {If: []kvbucket.Cond{kvbucket.KeyExists("")}},
		"zero condition": {If: []kvbucket.Cond{{}}},
		"bad bucket":     {If: []kvbucket.Cond{kvbucket.KeyExists("a").In("_owner")}},
		"no owner":       {If: []kvbucket.Cond{kvbucket.Registered(kvbucket.Owner{})}},
		"zero operation": {Else: []kvbucket.Op{{}}},
		"empty key":      {Else: []kvbucket.Op{kvbucket.OpGet("")}},
		"own bucket":     {Else: []kvbucket.Op{kvbucket.OpGet("a").In("_owner")}},
		"keys of a put":  {Else: []kvbucket.Op{kvbucket.OpPut("a", nil).WithKeys()}},
		"nothing":        {Else: []kvbucket.Op{kvbucket.OpSetOwner("a", kvbucket.OwnerOption{})}},
		"a key twice":    {Else: []kvbucket.Op{kvbucket.OpPutAll([]kvbucket.KV{{Key: "a"}, {Key: "a"}})}},
	} {
		txn.Then = append(txn.Then, kvbucket.OpPut("b", nil))
		if _, err := b.Commit(b.ctx, txn); bus.CodeOf(err) != bus.CodeUsage {
			t.Errorf("%s: want a usage error, got %v", name, err)
		}
	}
	_, err := b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpPut("a", nil), kvbucket.OpGet("")}})
	if !errors.Is(err, kvbucket.ErrEmptyKey) || !strings.HasPrefix(err.Error(), "operation 2: ") {
		t.Errorf("want ErrEmptyKey of operation 2, got %v", err)
	}
	same(t, uint64(0), b.revision())
}

func caseReadOnlyTxn(t *testing.T, b bucket) {
	check(t, b.conn.Call(b.ctx, "lwj.put", []any{"1.state", "running"}, nil))
	key, all := "1.state", everything
	res := b.commit(kvbucket.Txn{
		If:   []kvbucket.Cond{kvbucket.ValueIs(key, kvbucket.Equal, []byte("running")).In(bucketOfLWJ)},
		Then: []kvbucket.Op{kvbucket.OpGet(key).In(bucketOfLWJ), kvbucket.OpCount(all).In(bucketOfLWJ), kvbucket.OpPut("a", nil)},
	})
	same(t, []any{true, "running", 1}, []any{res.Succeeded, string(res.Results[0].Entry.Value), res.Results[1].Count})
	before := b.revision()
	for _, name := range []string{bucketOfLWJ, bucketOfKept, "lwj-code"} {
		for _, op := range []kvbucket.Op{
			kvbucket.OpPut(key, nil), kvbucket.OpSetOwner(key, kvbucket.NoOwner()), kvbucket.OpCreate("2", nil), kvbucket.OpSetDefault(key, nil),
			kvbucket.OpSwap(key, nil), kvbucket.OpPutAll([]kvbucket.KV{{Key: "2"}}), kvbucket.OpPop(key), kvbucket.OpPopRange(all), kvbucket.OpDelete(key),
			kvbucket.OpDeleteRange(all),
		} {
			_, err := b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpPut("b", nil)}, Else: []kvbucket.Op{op.In(name)}})
			refused(t, err, kvbucket.ErrDenied, 0)
		}
	}
	same(t, before, b.revision())
}
