package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// keyLeases counts the registrations of keys with a TTL.
func (b *bed) keyLeases() (n int) {
	b.e.Snapshot().Range(engine.OwnerBucket, "", nil, func(c *bus.Change) bool {
		if strings.HasPrefix(c.Key, "_ttl.") {
			n++
		}
		return true
	})
	return n
}

// TestTTLKeyLifecycles: a key with a TTL ends at its time, whatever is put into
// it; its lease goes with its next owner, its next TTL or its delete, in the
// same transaction.
func TestTTLKeyLifecycles(t *testing.T) {
	t.Parallel()
	const short, long = 3 * time.Second, 30 * time.Second
	for _, tt := range []struct {
		name   string
		then   []step // in the next transaction
		leases int    // after it
		after  string // the short time
		end    string // the long one
	}{
		{"alone", nil, 1, "k!lease-expired", "k!lease-expired"},
		{"put again", []step{put1("k")}, 1, "k!lease-expired", "k!lease-expired"},
		{"another TTL", []step{ttl("k", long)}, 1, "k:_ttl", "k!lease-expired"},
		{"two more TTLs", []step{ttl("k", short), ttl("k", long)}, 1, "k:_ttl", "k!lease-expired"},
		{"freed", []step{free("k")}, 0, "k:-", "k:-"},
		{"re-owned", []step{own("k", "o")}, 0, "k:o", "k:o"},
		{"deleted", []step{del("k")}, 0, "k!deleted", "k!deleted"},
		{"made again", []step{del("k"), free("k")}, 0, "k:-", "k:-"},
		{"made again with a TTL", []step{del("k"), ttl("k", long)}, 1, "k:_ttl", "k!lease-expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, b *bed) {
				b.register("o", 0)
				b.steps(ttl("k", short))
				if tt.then != nil {
					b.steps(tt.then...)
				}
				if n := b.keyLeases(); n != tt.leases {
					t.Errorf("want %d leases, got %d", tt.leases, n)
				}
				pass(short + time.Second)
				b.want(tt.after)
				pass(long)
				b.want(tt.end)
				if n := b.keyLeases(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// TestTTLIsNoOwner: the lease of a key is nobody's to use, renew or end.
func TestTTLIsNoOwner(t *testing.T) {
	t.Parallel()
	b := newBed(t, owners)
	b.steps(ttl("k", time.Hour), ttl("short", 0))
	c := b.e.Snapshot().Get("b", "k")
	if code := b.try(step{Kind: "own", Key: "x", Owner: c.Owner, Token: c.Token}); code != bus.CodeNoOwner {
		t.Errorf("own: want no owner, got %q", code)
	}
	for verb, in := range map[string]any{
		"owner.renew": engine.RenewOwner{ID: c.Owner, Token: c.Token}, "owner.end": engine.EndOwner{ID: c.Owner, Token: c.Token},
	} {
		if res := b.ask(verb, in); res.Error == nil || res.Error.Code != bus.CodeNoOwner {
			t.Errorf("%s: want no owner, got %v", verb, res.Error)
		}
	}
	if code := b.try(ttl("new", time.Hour), put1("new"), del("new"), step{Kind: "fail"}); code != bus.CodeUsage {
		t.Errorf("want a failure, got %q", code)
	}
	b.steps(ttl("new", time.Hour), del("new")) // it never was
	if n := b.keyLeases(); n != 2 {
		t.Errorf("want 2 leases, got %d", n)
	}
}
