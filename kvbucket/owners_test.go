package kvbucket_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// endings are the ways in which sessions end, and what is said of the keys
// that go.
var endings = map[string]struct {
	end    func(q *quiet, s *kvbucket.Session)
	reason string
}{
	"closed": {func(q *quiet, s *kvbucket.Session) { check(q.t, s.Close()) }, bus.ReasonOwnerGone},
	"ended": {func(q *quiet, s *kvbucket.Session) {
		check(q.t, kvbucket.EndOwner(q.ctx(), q.conn, kvbucket.Owner{ID: s.ID()}))
	}, bus.ReasonOwnerGone},
	"expired": {func(_ *quiet, s *kvbucket.Session) {
		s.Orphan()
		sleep(sessionTTL + 2*time.Second)
	}, bus.ReasonLeaseExpired},
}

// TestOwnerEnds: K08, K09, K18 and K19 with sessions: what an owner has when it
// ends goes in one transaction, and nothing else does.
func TestOwnerEnds(t *testing.T) {
	t.Parallel()
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inQuiet(t, func(q *quiet) {
				b := q.bucket()
				one, two := q.session(kvbucket.SessionConfig{ID: "one"}), q.session(kvbucket.SessionConfig{ID: "two"})
				mine, theirs := kvbucket.OwnedBy(one.Owner()), kvbucket.OwnedBy(two.Owner())
				for _, key := range []string{"a", "again", "again, mine", "b", "c", "put"} {
					b.put(key, "1", mine)
				}
				b.setOwner("b", theirs)
				b.setOwner("c", kvbucket.NoOwner())
				b.put("put", "2")
				for _, key := range []string{"again", "again, mine"} {
					b.delete(key)
				}
				b.put("again", "2")
				b.put("again, mine", "2", mine)
				ending.end(q, one)
				same(t, []string{"again=2", "b=1", "c=1"}, b.list(everything))
				revision := b.revision()
				for _, key := range []string{"a", "again, mine", "put"} {
					list, err := b.History(b.ctx, key)
					check(t, err)
					last := list[len(list)-1]
					same(t, []any{bus.OpDelete, revision, ending.reason}, []any{last.Op, last.Revision, last.Reason})
				}
				again := q.session(kvbucket.SessionConfig{ID: "one"})
				same(t, true, again.Token() > one.Token())
				same(t, []string{"again=2", "b=1", "c=1"}, b.list(everything))
				ending.end(q, two)
				same(t, []string{"again=2", "c=1"}, b.list(everything))
				for _, s := range []*kvbucket.Session{again, one, two} {
					check(t, s.Close())
				}
			})
		})
	}
}

// TestSessionPaused: a holder that was paused past its lease finds that it is
// lost, and each of its writes refused.
func TestSessionPaused(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		inQuiet(t, func(q *quiet) {
			b, want := q.bucket(), kvbucket.ErrNoOwner
			s := q.session(kvbucket.SessionConfig{ID: "o"})
			b.put("a", "1", kvbucket.OwnedBy(s.Owner()))
			resume := q.pause("owner.renew") // as if the process had been stopped
			sleep(time.Minute)
			same(t, false, b.exists("a"))
			if again {
				_, err := kvbucket.RegisterOwner(b.ctx, q.conn, "o", time.Hour, "")
				check(t, err)
				want = kvbucket.ErrFenced
			}
			before := b.revision()
			_, err := b.Put(b.ctx, "a", nil, kvbucket.OwnedBy(s.Owner()))
			same(t, true, errors.Is(err, want))
			_, err = b.Commit(b.ctx, kvbucket.Txn{Then: []kvbucket.Op{kvbucket.OpPut("b", nil), kvbucket.OpCreate("a", nil, kvbucket.OwnedBy(s.Owner()))}})
			same(t, true, errors.Is(err, want))
			fence := kvbucket.Txn{If: []kvbucket.Cond{kvbucket.Registered(s.Owner())}, Then: []kvbucket.Op{kvbucket.OpPut("a", nil)}}
			same(t, false, b.commit(fence).Succeeded)
			same(t, before, b.revision())
			wantLost(t, s) // while its goroutine does not run yet
			resume()
			check(t, s.Close())
			wantLost(t, s)
		})
	}
}

// TestLeaseBounds: a lease holds for its TTL at least, and what it held goes at
// most 2 s later.
func TestLeaseBounds(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		b := q.bucket()
		for _, ttl := range []time.Duration{kvbucket.MinLease, 1500 * time.Millisecond, time.Minute} {
			o, err := kvbucket.RegisterOwner(b.ctx, q.conn, "o", ttl, "")
			check(t, err)
			b.put("a", "1", kvbucket.OwnedBy(o))
			sleep(ttl / 2)
			check(t, kvbucket.RenewOwner(b.ctx, q.conn, o))
			sleep(ttl - time.Millisecond)
			same(t, true, b.exists("a"))
			sleep(2*time.Second + time.Millisecond)
			same(t, false, b.exists("a"))
			same(t, true, errors.Is(kvbucket.RenewOwner(b.ctx, q.conn, o), kvbucket.ErrNoOwner))
		}
		o, err := kvbucket.RegisterOwner(b.ctx, q.conn, "o", 0, "")
		check(t, err)
		b.put("a", "1", kvbucket.OwnedBy(o))
		sleep(time.Hour)
		same(t, true, b.exists("a"))
		check(t, kvbucket.EndOwner(b.ctx, q.conn, o))
		same(t, false, b.exists("a"))
		same(t, true, errors.Is(kvbucket.EndOwner(b.ctx, q.conn, o), kvbucket.ErrNoOwner))
	})
}

// TestTenThousandLeases end at once: all they hold goes in time, and a session
// beside them is renewed.
func TestTenThousandLeases(t *testing.T) {
	t.Parallel()
	const leases, ttl = 10_000, 10 * time.Second
	inQuiet(t, func(q *quiet) {
		b := q.bucket()
		s := q.session(kvbucket.SessionConfig{ID: "kept", TTL: kvbucket.MinLease})
		b.put("kept", "1", kvbucket.OwnedBy(s.Owner()))
		var registering sync.WaitGroup
		for w := range 16 {
			registering.Go(func() {
				var puts []kvbucket.Op
				for i := w; i < leases; i += 16 {
					o, err := kvbucket.RegisterOwner(b.ctx, q.conn, fmt.Sprint("o", i), ttl, "")
					check(t, err)
					puts = append(puts, kvbucket.OpPut(fmt.Sprint("k", i), []byte("1"), kvbucket.OwnedBy(o)))
				}
				for part := range slices.Chunk(puts, kvbucket.MaxOperations) {
					b.do(part...)
				}
			})
		}
		registering.Wait()
		owners, err := kvbucket.Owners(b.ctx, q.conn)
		check(t, err)
		same(t, leases+1, len(owners))
		sleep(ttl / 2)
		same(t, leases+1, b.count(everything))
		sleep(ttl/2 + 2*time.Second)
		same(t, []string{"kept=1"}, b.list(everything))
		wantKept(t, s)
		check(t, s.Close())
	})
}

// TestOwners lists and shows who is registered.
func TestOwners(t *testing.T) {
	t.Parallel()
	inQuiet(t, func(q *quiet) {
		b := q.bucket()
		s := q.session(kvbucket.SessionConfig{ID: "b", TTL: 6 * time.Second, Info: "who it is"})
		plain, err := kvbucket.RegisterOwner(b.ctx, q.conn, "a", 0, "")
		check(t, err)
		for i := range 3 {
			b.put(fmt.Sprint(i), "1", kvbucket.OwnedBy(s.Owner()))
		}
		b.put("TTL", "1", kvbucket.TTL(time.Minute))
		sleep(3 * time.Second)
		want := []kvbucket.OwnerInfo{
			{Owner: plain},
			{Owner: s.Owner(), TTL: 6 * time.Second, Left: 5 * time.Second, Info: "who it is", Keys: 3},
		}
		list, err := kvbucket.Owners(b.ctx, q.conn)
		check(t, err)
		same(t, want, list)
		for _, w := range want {
			o, err := kvbucket.ShowOwner(b.ctx, q.conn, w.ID)
			check(t, err)
			same(t, w, o)
		}
		_, err = kvbucket.ShowOwner(b.ctx, q.conn, "nobody")
		same(t, true, errors.Is(err, kvbucket.ErrNoOwner))
		check(t, s.Close())
	})
}
