package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// step is one write of the verb "steps": kind is put (keeps the owner), own,
// free (no owner), ttl, del, live and end (an owner "v_<key>" that is no
// registration begins and ends), declare (Value: history), drop, fail.
type step struct {
	Kind, Bucket, Key, Value string
	Owner                    string
	Token                    uint64 // 0: whoever is registered
	TTL                      int64  // milliseconds
}

type steps struct{ Steps []step }

// Buckets of the owners' layer.
const (
	virtuals = "virtuals" // what owners that are no registrations live by
	settled  = "settled"  // its layer settles it by itself
	passing  = "passing"  // transient
)

// owners adds a layer whose verb writes keys with owners.
func owners(c *engine.Config) {
	c.Layers = append(c.Layers, engine.Layer{
		Name:       "owners",
		Buckets:    []engine.Bucket{{Name: virtuals}, {Name: settled, Settles: true}, {Name: passing, Transient: true, History: 1}},
		Procedures: []engine.Procedure{engine.Write("steps", nil, runSteps)},
		Owner: func(r engine.Reader, id string) (uint64, bool) {
			key, ok := strings.CutPrefix(id, "v_")
			if !ok {
				return 0, false
			}
			c := r.Get(virtuals, key)
			if c == nil {
				return 0, false
			}
			return c.Created, true
		},
	})
}

func runSteps(tx *engine.Tx, in *steps) (any, error) {
	for _, s := range in.Steps {
		if s.Bucket == "" {
			s.Bucket = "b"
		}
		if err := s.run(tx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *step) run(tx *engine.Tx) error {
	switch s.Kind {
	case "put":
		tx.Put(s.Bucket, s.Key, []byte(s.Value))
	case "free":
		tx.PutOwned(s.Bucket, s.Key, []byte(s.Value), engine.Owner{})
	case "own":
		o, ok := tx.Owner(s.Owner)
		if s.Token != 0 {
			o = engine.Owner{ID: s.Owner, Token: s.Token}
			ok = tx.OwnerAlive(o)
		}
		if !ok {
			return bus.NewError(bus.CodeNoOwner, "no owner %q", s.Owner)
		}
		tx.PutOwned(s.Bucket, s.Key, []byte(s.Value), o)
	case "ttl":
		tx.PutTTL(s.Bucket, s.Key, []byte(s.Value), time.Duration(s.TTL)*time.Millisecond)
	case "del":
		tx.Delete(s.Bucket, s.Key, bus.ReasonDeleted)
	case "live":
		tx.Put(virtuals, s.Key, nil)
	case "end":
		o, ok := tx.Owner("v_" + s.Key)
		if tx.Delete(virtuals, s.Key, bus.ReasonDeleted); ok {
			tx.EndOwned(o)
		}
	case "declare":
		return tx.DeclareBucket(s.Bucket, len(s.Value))
	case "drop":
		return tx.DropBucket(s.Bucket)
	case "fail":
		return bus.NewError(bus.CodeUsage, "asked to fail")
	}
	return nil
}

// try runs steps in one transaction and returns the code of its refusal.
func (b *bed) try(s ...step) bus.Code {
	b.t.Helper()
	if res := b.ask("steps", steps{s}); res.Error != nil {
		return res.Error.Code
	}
	return ""
}

func (b *bed) steps(s ...step) {
	b.t.Helper()
	if res := b.ask("steps", steps{s}); res.Error != nil {
		b.t.Fatalf("%+v: %v", s, res.Error)
	}
}

func own(key, owner string) step { return step{Kind: "own", Key: key, Owner: owner} }
func free(key string) step       { return step{Kind: "free", Key: key} }
func put1(key string) step       { return step{Kind: "put", Key: key, Value: "again"} }
func del(key string) step        { return step{Kind: "del", Key: key} }
func ttl(key string, d time.Duration) step {
	return step{Kind: "ttl", Key: key, TTL: d.Milliseconds()}
}

// endBy ends a registration by hand.
func (b *bed) endBy(id string) {
	b.t.Helper()
	if res := b.ask("owner.end", engine.EndOwner{ID: id}); res.Error != nil {
		b.t.Fatalf("end %s: %v", id, res.Error)
	}
}

// keys is the keys of bucket b with their owners, and the reasons of those
// that are gone: "a:c1 b:- c!owner-gone".
func (b *bed) keys(names string) string {
	var out []string
	for _, key := range strings.Fields(names) {
		h := b.e.Snapshot().History("b", key)
		if len(h) == 0 {
			out = append(out, key+"?")
			continue
		}
		switch c := h[len(h)-1]; {
		case c.Op == bus.OpDelete:
			out = append(out, key+"!"+c.Reason)
		case c.Owner == "":
			out = append(out, key+":-")
		default:
			out = append(out, key+":"+strings.TrimRight(c.Owner, "0123456789."))
		}
	}
	return strings.Join(out, " ")
}

func (b *bed) want(keys string) {
	b.t.Helper()
	var names []string
	for _, f := range strings.Fields(keys) {
		names = append(names, f[:strings.IndexAny(f, ":!?")])
	}
	if got := b.keys(strings.Join(names, " ")); got != keys {
		b.t.Errorf("want %s got %s", keys, got)
	}
}

// owner asks for one owner; its zero value where there is none.
func (b *bed) owner(id string) (o engine.OwnerInfo) {
	b.t.Helper()
	res := b.ask("owner.show", engine.ShowOwner{ID: id})
	if res.Error != nil {
		return o
	}
	if err := bus.Unmarshal(res.Body, &o); err != nil {
		b.t.Fatal(err)
	}
	return o
}

// check compares the state with the fold of the log, and the index with a scan.
func (b *bed) check() {
	b.t.Helper()
	if _, err := b.e.CheckLog(context.Background()); err != nil {
		b.t.Error(err)
	}
}

// inFakeTime runs a test with a bed of owners whose clock is the test's.
func inFakeTime(t *testing.T, run func(t *testing.T, b *bed), change ...func(*engine.Config)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, append(change, owners)...)
		run(t, b)
		b.end()
	})
}

// pass lets fake time pass, and everything that is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func ownMany(owner string, from, to int) (out []step) {
	for i := from; i < to; i++ {
		out = append(out, own(fmt.Sprintf("k%06d", i), owner))
	}
	return out
}
