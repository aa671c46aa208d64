package kvbucket_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func ownerCases() []bucketCase {
	return []bucketCase{
		{"K06 values and owners", caseValuesAndOwners},
		{"K07 three errors", caseOwnerErrors},
		{"K08 an owner takes what it has now", caseOwnerEnds},
		{"K09 what was made again stays", caseOwnerEndsAfterClear},
		{"K18 a key moves", caseOwnerMoves},
		{"K19 a put keeps the owner", caseOwnerKept},
		{"owners of every write", caseOwnersOfWrites},
		{"tokens", caseTokens},
		{"TTL", caseTTL},
		{"bad owners", caseBadOwners},
	}
}

// register makes an owner that lives until it is ended.
func (b bucket) register(id string) kvbucket.OwnerOption {
	b.t.Helper()
	o, err := kvbucket.RegisterOwner(b.ctx, b.conn, id, 0, "")
	check(b.t, err)
	return kvbucket.OwnedBy(o)
}

func (b bucket) end(id string) {
	b.t.Helper()
	check(b.t, kvbucket.EndOwner(b.ctx, b.conn, kvbucket.Owner{ID: id}))
}

func (b bucket) setOwner(key string, o kvbucket.OwnerOption) uint64 {
	b.t.Helper()
	r, err := b.SetOwner(b.ctx, key, o)
	check(b.t, err)
	return r
}

// owned is the key's value and owner.
func (b bucket) owned(key string) [2]string {
	b.t.Helper()
	e := b.get(key)
	return [2]string{string(e.Value), e.Owner}
}

func caseValuesAndOwners(t *testing.T, b bucket) {
	c := b.register("c")
	w := b.watch()
	w.want("caught up")
	for i, step := range []struct {
		do   func()
		want [2]string
	}{
		{func() { b.put("a", "v") }, [2]string{"v", ""}},
		{func() { b.setOwner("a", c) }, [2]string{"v", "c"}},
		{func() { b.put("a", "v2") }, [2]string{"v2", "c"}},
		{func() { b.setOwner("a", kvbucket.NoOwner()) }, [2]string{"v2", ""}},
		{func() { b.put("a", "v3", c) }, [2]string{"v3", "c"}},
		{func() { b.put("a", "v4", kvbucket.NoOwner()) }, [2]string{"v4", ""}},
	} {
		step.do()
		same(t, step.want, b.owned("a"))
		e := w.next().Entry // an owner-only change is a put of the value there is
		same(t, step.want, [2]string{string(e.Value), e.Owner})
		same(t, []any{bus.OpPut, uint64(i + 1)}, []any{e.Op, e.Version})
	}
}

func caseOwnerErrors(t *testing.T, b bucket) {
	c := b.register("c")
	before := b.revision()
	_, missing := b.SetOwner(b.ctx, "a", c)
	refused(t, missing, kvbucket.ErrNotFound, before)
	_, neither := b.SetOwner(b.ctx, "a", kvbucket.OwnerOption{})
	if !errors.Is(neither, kvbucket.ErrInvalidOwner) || bus.CodeOf(neither) != bus.CodeUsage {
		t.Errorf("neither value nor owner: want ErrInvalidOwner, got %v", neither)
	}
	_, unknown := b.Put(b.ctx, "a", nil, kvbucket.OwnedBy(kvbucket.Owner{ID: "d"}))
	refused(t, unknown, kvbucket.ErrNoOwner, 0)
	same(t, before, b.revision())
	same(t, false, b.exists("a"))
}

func caseOwnerEnds(t *testing.T, b bucket) {
	c1, c2 := b.register("c1"), b.register("c2")
	for _, key := range []string{"a", "b", "c"} {
		b.put(key, "1", c1)
	}
	b.setOwner("b", c2)
	b.setOwner("c", kvbucket.NoOwner())
	b.end("c1")
	same(t, []string{"b", "c"}, b.keys(everything))
	list, err := b.History(b.ctx, "a")
	check(t, err)
	same(t, bus.ReasonOwnerGone, list[len(list)-1].Reason)
	again := b.register("c1") // brings no key back, and takes none
	b.put("d", "1", again)
	b.end("c1")
	same(t, []string{"b", "c"}, b.keys(everything))
}

func caseOwnerEndsAfterClear(t *testing.T, b bucket) {
	c1 := b.register("c1")
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		b.put(key, "1", c1)
	}
	_, err := b.Clear(b.ctx)
	check(t, err)
	for _, key := range keys {
		b.put(key, "2")
	}
	b.end("c1")
	same(t, keys, b.keys(everything))
}

func caseOwnerMoves(t *testing.T, b bucket) {
	one, two := b.register("lease_1"), b.register("lease_2")
	b.put("a", "1", one)
	b.setOwner("a", two)
	b.end("lease_1")
	same(t, [2]string{"1", "lease_2"}, b.owned("a"))
	b.end("lease_2")
	same(t, false, b.exists("a"))
}

func caseOwnerKept(t *testing.T, b bucket) {
	o := b.register("o")
	b.put("a", "1", o)
	b.put("a", "2")
	b.put("b", "1", o)
	b.put("b", "2", kvbucket.NoOwner())
	b.end("o")
	same(t, []string{"b=2"}, b.list(everything))
}

// caseOwnersOfWrites gives an owner with each write that takes one.
func caseOwnersOfWrites(t *testing.T, b bucket) {
	o := b.register("o")
	_, err := b.Create(b.ctx, "create", nil, o)
	check(t, err)
	_, err = b.SetDefault(b.ctx, "default", nil, o)
	check(t, err)
	_, err = b.Swap(b.ctx, "swap", nil, o)
	check(t, err)
	_, err = b.Update(b.ctx, "update", func(*kvbucket.Entry) ([]byte, error) { return nil, nil }, o)
	check(t, err)
	_, err = b.PutAll(b.ctx, []kvbucket.KV{{Key: "all1"}, {Key: "all2"}}, o)
	check(t, err)
	b.do(kvbucket.OpPut("t1", nil, o), kvbucket.OpPut("t2", nil), kvbucket.OpSetOwner("t2", o))
	_, err = b.Swap(b.ctx, "swap", []byte("kept")) // without an option: as it was
	check(t, err)
	keys := b.keys(everything)
	same(t, 8, len(keys))
	for _, key := range keys {
		same(t, "o", b.get(key).Owner)
	}
	b.delete("all1")
	_, err = b.Create(b.ctx, "all1", nil) // what is made again has no owner
	check(t, err)
	b.end("o")
	same(t, []string{"all1"}, b.keys(everything))
}

func caseTokens(t *testing.T, b bucket) {
	first, err := kvbucket.RegisterOwner(b.ctx, b.conn, "o", 0, "")
	check(t, err)
	b.put("a", "1", kvbucket.OwnedBy(first))
	same(t, first.Token, b.get("a").Token)
	alive := kvbucket.Txn{If: []kvbucket.Cond{kvbucket.Registered(first)}}
	same(t, true, b.commit(alive).Succeeded)
	b.end("o")
	same(t, false, b.commit(alive).Succeeded)
	_, err = b.Put(b.ctx, "a", nil, kvbucket.OwnedBy(first))
	refused(t, err, kvbucket.ErrNoOwner, 0)
	second, err := kvbucket.RegisterOwner(b.ctx, b.conn, "o", 0, "")
	check(t, err)
	_, err = b.Put(b.ctx, "a", nil, kvbucket.OwnedBy(first))
	refused(t, err, kvbucket.ErrFenced, second.Token)
	same(t, false, b.commit(alive).Succeeded)
	same(t, true, b.commit(kvbucket.Txn{If: []kvbucket.Cond{kvbucket.Registered(second), kvbucket.Registered(kvbucket.Owner{ID: "o"})}}).Succeeded)
	b.put("a", "2", kvbucket.OwnedBy(kvbucket.Owner{ID: "o"}))
	same(t, second.Token, b.get("a").Token)
}

// caseTTL: a key goes by itself unless its TTL is taken from it; a put without
// an option keeps the time it has.
func caseTTL(t *testing.T, b bucket) {
	w := b.watch(kvbucket.Kinds(bus.OpDelete))
	w.want("caught up")
	ttl := kvbucket.TTL(kvbucket.MinTTL)
	began := time.Now()
	for _, key := range []string{"goes", "stays", "moves"} {
		b.put(key, "1", ttl)
	}
	b.put("goes", "2")
	b.put("stays", "2", kvbucket.NoOwner())
	b.setOwner("moves", kvbucket.TTL(time.Hour))
	w.want("-goes")
	if took := time.Since(began); took < kvbucket.MinTTL {
		t.Errorf("want it to live %v, got %v", kvbucket.MinTTL, took)
	}
	same(t, []string{"moves=1", "stays=2"}, b.list(everything))
	list, err := b.History(b.ctx, "goes")
	check(t, err)
	same(t, bus.ReasonLeaseExpired, list[len(list)-1].Reason)
	owners, err := kvbucket.Owners(b.ctx, b.conn)
	check(t, err)
	same(t, 0, len(owners)) // a key's own lease is nobody's business
}

func caseBadOwners(t *testing.T, b bucket) {
	o := b.register("o")
	before := b.revision()
	named := func(id string) kvbucket.OwnerOption { return kvbucket.OwnedBy(kvbucket.Owner{ID: id}) }
	for name, opts := range map[string][]kvbucket.PutOption{
		"TTL with an owner": {o, kvbucket.TTL(time.Minute)},
		"TTL and no owner":  {kvbucket.TTL(time.Minute), kvbucket.NoOwner()},
		"two owners":        {o, o},
		"no id":             {named("")},
		"a long id":         {named(strings.Repeat("o", kvbucket.MaxOwnerID+1))},
		"no UTF-8":          {named("\xff")},
		"a key's lease":     {named("_ttl.1.1")},
		"TTL 0":             {kvbucket.TTL(0)},
		"a TTL below 0":     {kvbucket.TTL(-time.Hour)},
		"a short TTL":       {kvbucket.TTL(kvbucket.MinTTL - time.Millisecond)},
		"a long TTL":        {kvbucket.TTL(kvbucket.MaxKeyTTL + time.Millisecond)},
		"the longest TTL":   {kvbucket.TTL(1<<63 - 1)},
	} {
		_, put := b.Put(b.ctx, "a", nil, opts...)
		_, txn := b.Commit(b.ctx, kvbucket.Txn{Else: []kvbucket.Op{kvbucket.OpGet("a"), kvbucket.OpPut("a", nil, opts...)}})
		for _, err := range []error{put, txn} {
			if !errors.Is(err, kvbucket.ErrInvalidOwner) || bus.CodeOf(err) != bus.CodeUsage {
				t.Errorf("%s: want ErrInvalidOwner, got %v", name, err)
			}
		}
	}
	same(t, before, b.revision())
}
