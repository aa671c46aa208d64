package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// rig is a fake host and a client, each with a connection of its own.
type rig struct {
	host *fakeHost
	conn *Conn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, hostNATS := plainServer(t)
	return &rig{newFakeHost(t, hostNATS, nil), newConn(t, Config{NATS: connect(t, s.ClientURL())})}
}

func (r *rig) replay(ctx context.Context, from uint64) (*Page, error) {
	p := new(Page)
	return p, r.conn.Call(ctx, "replay", from, p, Read())
}

func (r *rig) follow(t *testing.T, cfg FollowConfig) *Follower {
	t.Helper()
	cfg.Bucket = "kv"
	if cfg.Replay == nil {
		cfg.Replay = r.replay
	}
	if cfg.Check == 0 {
		cfg.Check = time.Hour
	}
	f, err := r.conn.Follow(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// next returns n batches as text: "3:a,b" is transaction 3, "3!" the mark,
// "3" progress.
func next(t *testing.T, f *Follower, n int) []string {
	t.Helper()
	ctx := testContext(t)
	var got []string
	for range n {
		b, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, show(b))
	}
	return got
}

func show(b Batch) string {
	var keys []string
	for _, c := range b.Changes {
		keys = append(keys, c.Key)
	}
	switch {
	case b.CaughtUp:
		return fmt.Sprintf("%d!", b.Revision)
	case len(keys) == 0:
		return fmt.Sprint(b.Revision)
	}
	return fmt.Sprintf("%d:%s", b.Revision, strings.Join(keys, ","))
}

func expect(t *testing.T, f *Follower, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, next(t, f, len(want))); diff != "" {
		t.Fatalf("want - got +\n%s", diff)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host.commit("a")
	r.host.commit("a", "b")
	r.host.set(func(h *fakeHost) { h.pageSize = 1 })
	r.host.commit() // of another bucket
	f := r.follow(t, FollowConfig{From: 1})
	expect(t, f, "1:a", "2:a,b", "3!")
	r.host.commit("c")
	r.host.commit("d", "e")
	expect(t, f, "4:c", "5:d,e")
}

func TestFollowFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cfg   FollowConfig
		floor uint64
		want  []string
	}{
		{"from 2", FollowConfig{From: 2}, 0, []string{"2:b", "3:c", "3!", "4:x", "5:y"}},
		{"from the next", FollowConfig{From: 4}, 0, []string{"3!", "4:x", "5:y"}},
		{"from one to come", FollowConfig{From: 5}, 0, []string{"4!", "5:y"}},
		{"now", FollowConfig{Now: true}, 0, []string{"3!", "4:x", "5:y"}},
		{"start", FollowConfig{Start: true, From: 7}, 0, []string{"1:a", "2:b", "3:c", "3!", "4:x", "5:y"}},
		{"start, older ones gone", FollowConfig{Start: true}, 2, []string{"2:b", "3:c", "3!", "4:x", "5:y"}},
		{"filter", FollowConfig{Match: func(c *Change) bool { return c.Key != "b" }}, 0, []string{"1:a", "3:c", "3!", "4:x", "5:y"}},
		{"filter and progress", FollowConfig{Progress: true, Match: func(c *Change) bool { return c.Key == "b" }}, 0,
			[]string{"2:b", "3!", "4", "5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for _, k := range []string{"a", "b", "c"} {
				r.host.commit(k)
			}
			r.host.set(func(h *fakeHost) { h.floor = c.floor })
			f := r.follow(t, c.cfg)
			mark := slices.IndexFunc(c.want, func(s string) bool { return strings.HasSuffix(s, "!") }) + 1
			expect(t, f, c.want[:mark]...)
			r.host.commit("x")
			r.host.commit("y")
			expect(t, f, c.want[mark:]...)
		})
	}
}

// What is written after Follow has returned is seen, also before the first Next.
func TestFollowNowMissesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host.commit("a")
	f := r.follow(t, FollowConfig{Now: true})
	r.host.commit("b")
	expect(t, f, "1!", "2:b")
}

func TestFollowSingleKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	onlyA := func(c *Change) bool { return c.Key == "a b" }
	r.host.commit("a b")
	f := r.follow(t, FollowConfig{Subject: r.conn.Names().Key("kv", "a b"), Match: onlyA})
	expect(t, f, "1:a b", "1!")
	r.host.commit("c")
	r.host.commit("a b", "d")
	expect(t, f, "3:a b")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a b")
	r.host.set(func(h *fakeHost) { h.mute = false })
	r.host.commit("a b")
	expect(t, f, "4:a b", "5:a b")
}

func TestFollowRepairsGap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	r.host.commit("b", "c")
	r.host.set(func(h *fakeHost) { h.mute = false })
	r.host.commit("d")
	r.host.commit("e")
	expect(t, f, "1:a", "2:b,c", "3:d", "4:e")
}

func TestFollowFindsLostLastMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{Check: 100 * time.Millisecond})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	expect(t, f, "1:a")
}

func TestFollowRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{Progress: true})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit()
	f.Refresh()
	expect(t, f, "1")
}

func TestFollowNewEpoch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	// The new engine does not know that the old one's message was lost.
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	r.host.set(func(h *fakeHost) { h.mute, h.epoch, h.lastOfFeed = false, 2, 0 })
	r.host.commit("b")
	expect(t, f, "1:a", "2:b")
}

// A round too large for a message is announced without its changes.
func TestFollowReadsWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a", "b")
	r.host.set(func(h *fakeHost) { h.publishLocked(&Feed{Incarnation: 1, Epoch: 1, Previous: h.revision}) })
	expect(t, f, "1:a,b")
}

func TestFollowReadsPastMalformed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	if err := r.host.nc.Publish(r.conn.Names().Feed("kv"), []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	expect(t, f, "1:a")
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	t.Run("compacted", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.host.commit("a")
		r.host.set(func(h *fakeHost) { h.floor = 9 })
		f := r.follow(t, FollowConfig{From: 1})
		for range 2 {
			_, err := f.Next(testContext(t))
			var e *Error
			if !errors.Is(err, ErrCompacted) || !errors.As(err, &e) || e.Revision != 9 {
				t.Errorf("want compacted with the first possible revision, got %v", err)
			}
		}
	})
	t.Run("new incarnation", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		f := r.follow(t, FollowConfig{})
		expect(t, f, "0!")
		r.host.set(func(h *fakeHost) { h.incarnation, h.revision = 2, 1<<20 })
		r.host.commit("a")
		if _, err := f.Next(testContext(t)); !errors.Is(err, ErrCompacted) {
			t.Errorf("want ErrCompacted, got %v", err)
		}
	})
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		f := r.follow(t, FollowConfig{Replay: func(context.Context, uint64) (*Page, error) { return nil, NewError(CodeDenied, "no") }})
		if _, err := f.Next(testContext(t)); CodeOf(err) != CodeDenied {
			t.Errorf("want denied, got %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		f := r.follow(t, FollowConfig{})
		expect(t, f, "0!")
		done := make(chan error, 1)
		go func() {
			_, err := f.Next(context.Background())
			done <- err
		}()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { f.Close() })
		}
		wg.Wait()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
	})
	t.Run("connection closed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		f := r.follow(t, FollowConfig{})
		r.conn.Close()
		if _, err := f.Next(testContext(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
		if _, err := r.conn.Follow(testContext(t), FollowConfig{Bucket: "kv", Replay: r.replay}); !errors.Is(err, ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
	})
	t.Run("NATS closed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		f := r.follow(t, FollowConfig{})
		expect(t, f, "0!")
		r.conn.NATS().Close()
		if _, err := f.Next(testContext(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
	})
}

// An end of ctx in a replay or in a wait loses nothing.
func TestFollowGoesOnAfterContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	held, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	first := true
	f := r.follow(t, FollowConfig{Replay: func(ctx context.Context, from uint64) (*Page, error) {
		if first {
			first = false
			cancel(cause)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return r.replay(ctx, from)
	}})
	r.host.commit("a")
	if _, err := f.Next(held); !errors.Is(err, cause) {
		t.Fatalf("want the cause, got %v", err)
	}
	expect(t, f, "1:a", "1!")
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := f.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want the deadline, got %v", err)
	}
	r.host.commit("b")
	expect(t, f, "2:b")
}

func TestFollowRetriesWhileHostIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host.commit("a")
	n := 0
	f := r.follow(t, FollowConfig{Replay: func(ctx context.Context, from uint64) (*Page, error) {
		if n++; n < 3 {
			return nil, fmt.Errorf("replay: %w", ErrUnreachable)
		}
		return r.replay(ctx, from)
	}})
	expect(t, f, "1:a", "1!")
}

// A reader that is too slow for the buffer reads from the host; it skips nothing.
func TestFollowSlowReader(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{MaxEvents: 10})
	expect(t, f, "0!")
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("%d:k", i+1))
		r.host.commit("k")
	}
	eventually(t, "messages dropped", func() bool {
		dropped, err := f.sub.Dropped() // before they came into our buffer
		return f.live.isLost() || err == nil && dropped > 0
	})
	expect(t, f, want...)
	r.host.commit("k")
	expect(t, f, "501:k")
}

func TestFollowRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, cfg := range []FollowConfig{
		{},
		{Bucket: "kv"},
		{Bucket: "kv", Replay: r.replay, Subject: "lwj.kv.kv.>"},
		{Bucket: "lwj", Replay: r.replay, Subject: r.conn.Names().State(0)},
		{Bucket: "lwj", Replay: r.replay, Subject: r.conn.Names().Event(12)},
	} {
		if _, err := r.conn.Follow(testContext(t), cfg); CodeOf(err) != CodeUsage {
			t.Errorf("%+v: want usage, got %v", cfg, err)
		}
	}
	direct := newConn(t, Config{Direct: directHost(nil)})
	if _, err := direct.Follow(testContext(t), FollowConfig{Bucket: "kv", Replay: r.replay}); CodeOf(err) != CodeUsage {
		t.Errorf("without NATS: want usage, got %v", err)
	}
}

func TestFollowOverCutConnections(t *testing.T) {
	t.Parallel()
	s, hostNATS := plainServer(t)
	host := newFakeHost(t, hostNATS, nil)
	proxy := newProxy(t, s.Addr().String())
	r := &rig{host, newConn(t, Config{NATS: connect(t, "nats://"+proxy.addr())})}
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	const transactions, cuts = 2000, 8
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range transactions {
			host.commit("a", "b")
			if i%(transactions/cuts) == transactions/cuts/2 {
				proxy.cut()
			}
			if i%10 == 0 {
				_ = hostNATS.Flush()
			}
		}
	})
	defer wg.Wait()
	for i, got := range next(t, f, transactions) {
		if want := fmt.Sprintf("%d:a,b", i+1); got != want {
			t.Fatalf("want %s, got %s", want, got)
		}
	}
}

// After a reconnect the follower asks, even if no message tells of the gap.
func TestFollowRepairsAfterReconnect(t *testing.T) {
	t.Parallel()
	s, hostNATS := plainServer(t)
	host := newFakeHost(t, hostNATS, nil)
	proxy := newProxy(t, s.Addr().String())
	r := &rig{host, newConn(t, Config{NATS: connect(t, "nats://"+proxy.addr())})}
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	host.set(func(h *fakeHost) { h.mute = true })
	host.commit("a")
	proxy.cut()
	expect(t, f, "1:a")
}

func TestFollowManyReaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const readers, transactions = 20, 200
	var wg sync.WaitGroup
	for range readers {
		f := r.follow(t, FollowConfig{Now: true})
		wg.Go(func() {
			last := uint64(0)
			for last < transactions {
				b, err := f.Next(testContext(t))
				if err != nil {
					t.Error(err)
					return
				}
				if !b.CaughtUp && b.Revision != last+1 {
					t.Errorf("want %d, got %d", last+1, b.Revision)
					return
				}
				last = b.Revision
			}
		})
	}
	for range transactions {
		r.host.commit("k")
	}
	wg.Wait()
}

func TestFollowRepairsAfterSlowConsumerNotice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.follow(t, FollowConfig{})
	expect(t, f, "0!")
	slow := make(chan nats.SubStatus, 1)
	f.slow = slow
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	slow <- nats.SubscriptionSlowConsumer
	expect(t, f, "1:a")
}

// A host whose pages are behind its feed is asked again until they are not.
func TestFollowWaitsForHostBehindItsFeed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := 0
	f := r.follow(t, FollowConfig{Replay: func(ctx context.Context, from uint64) (*Page, error) {
		p, err := r.replay(ctx, from)
		if n++; err == nil && n > 1 && n < 5 {
			p.Revision, p.Changes = from-1, nil
		}
		return p, err
	}})
	expect(t, f, "0!")
	r.host.set(func(h *fakeHost) { h.mute = true })
	r.host.commit("a")
	r.host.set(func(h *fakeHost) { h.mute = false })
	r.host.commit("b")
	expect(t, f, "1:a", "2:b")
}
