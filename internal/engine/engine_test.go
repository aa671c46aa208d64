package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

var storeID = bytes.Repeat([]byte{7}, 16)

// kvReq is the request of every verb of the test layer.
type kvReq struct {
	Key, Value string
	More       []string // further keys that get the same value
	Fail       bool     // after the writes
}

type kvAns struct {
	Before   string
	Existed  bool
	Revision uint64
}

func put(tx *engine.Tx, in *kvReq) (any, error) {
	a := kvAns{Revision: tx.Revision()}
	if c := tx.Get("b", in.Key); c != nil {
		a.Before, a.Existed = string(c.Value), true
	}
	for _, k := range append([]string{in.Key}, in.More...) {
		tx.Put("b", k, []byte(in.Value))
	}
	if in.Fail {
		return nil, bus.NewError(bus.CodeUsage, "asked to fail")
	}
	return a, nil
}

// testLayer has the smallest verbs that show the engine's promises.
func testLayer() engine.Layer {
	return engine.Layer{
		Name: "test",
		Procedures: []engine.Procedure{
			engine.Write("put", nil, put),
			engine.Write("create", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				if c := tx.Get("b", in.Key); c != nil {
					return nil, bus.NewError(bus.CodeExists, "exists").WithRevision(c.Revision)
				}
				return put(tx, in)
			}),
			engine.Write("append", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				before := ""
				if c := tx.Get("b", in.Key); c != nil {
					before = string(c.Value)
				}
				return kvAns{Before: before}, ignore(tx.Put("b", in.Key, []byte(before+in.Value)))
			}),
			engine.Write("delete", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				return kvAns{Existed: tx.Delete("b", in.Key, bus.ReasonDeleted)}, nil
			}),
		},
		Reads: []engine.Read{
			engine.ReadOf("get", nil, func(v *engine.View, in *kvReq) (any, error) {
				c := v.Get("b", in.Key)
				if c == nil {
					return kvAns{}, nil
				}
				return kvAns{Before: string(c.Value), Existed: true, Revision: c.Revision}, nil
			}),
			engine.WaitOf("await", nil, func(ctx context.Context, v *engine.View, in *kvReq) (any, error) {
				v, err := v.Await(ctx, "b", in.Key, 0)
				if err != nil {
					return kvAns{}, nil
				}
				return kvAns{Before: string(v.Get("b", in.Key).Value), Existed: true}, nil
			}),
		},
	}
}

func ignore(*bus.Change) error { return nil }

// bed is a store in memory and the engine on it.
type bed struct {
	t   testing.TB
	log *enginetest.MemLog
	cps *enginetest.MemCheckpoints
	cfg engine.Config
	e   *engine.Engine

	broken bool // the test spoiled the log on purpose
}

func newBed(t testing.TB, change ...func(*engine.Config)) *bed {
	t.Helper()
	b := &bed{t: t, log: &enginetest.MemLog{}, cps: &enginetest.MemCheckpoints{Saved: make(chan struct{}, 1)}}
	b.cfg = engine.Config{
		Log: b.log, Checkpoints: b.cps, StoreID: storeID, Layers: []engine.Layer{testLayer()},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&b.cfg)
	}
	b.open()
	t.Cleanup(b.end)
	return b
}

func (b *bed) open() {
	b.t.Helper()
	e, err := engine.Open(context.Background(), b.cfg)
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.e = e
}

// end closes the engine after it was checked: replay(log) == state.
func (b *bed) end() {
	if b.e.Err() == nil && !b.broken && !b.t.Failed() {
		if _, err := b.e.CheckLog(context.Background()); err != nil {
			b.t.Errorf("after the test: %v", err)
		}
	}
	b.e.Close()
}

func (b *bed) restart() {
	b.t.Helper()
	b.e.Close()
	b.open()
}

// call sends a request without an id.
func (b *bed) call(verb string, in kvReq) (kvAns, *bus.Error) {
	return b.send(verb, in, &bus.Request{})
}

func (b *bed) send(verb string, in kvReq, req *bus.Request) (kvAns, *bus.Error) {
	b.t.Helper()
	body, err := bus.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Body = body
	res := b.e.Call(context.Background(), "u", verb, req)
	if res.Error != nil {
		return kvAns{}, res.Error
	}
	var a kvAns
	if err := bus.Unmarshal(res.Body, &a); err != nil {
		b.t.Fatal(err)
	}
	return a, nil
}

func (b *bed) must(verb string, in kvReq) kvAns {
	b.t.Helper()
	a, err := b.call(verb, in)
	if err != nil {
		b.t.Fatalf("%s %+v: %v", verb, in, err)
	}
	return a
}

// content is the live keys of bucket b as text.
func (b *bed) content() string {
	var s bytes.Buffer
	b.e.Snapshot().Range("b", "", nil, func(c *bus.Change) bool {
		fmt.Fprintf(&s, "%s=%s@%d/%d/%d/%d ", c.Key, c.Value, c.Revision, c.Previous, c.Created, c.Version)
		return true
	})
	return s.String()
}

func TestWriteReadHistory(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.must("put", kvReq{Key: "a", Value: "1"})
	b.must("put", kvReq{Key: "b", Value: "2", More: []string{"c"}})
	b.must("delete", kvReq{Key: "a"})
	b.must("put", kvReq{Key: "a", Value: "3"})
	if want, got := "a=3@4/3/4/1 b=2@2/0/2/1 c=2@2/0/2/1 ", b.content(); want != got {
		t.Fatalf("want %s got %s", want, got)
	}
	var h []string
	for _, c := range b.e.Snapshot().History("b", "a") {
		h = append(h, fmt.Sprintf("%s %d %d %s", c.Op, c.Revision, c.Version, c.Reason))
	}
	if want, got := "[put 1 1  delete 3 0 deleted put 4 1 ]", fmt.Sprint(h); want != got {
		t.Fatalf("want %s got %s", want, got)
	}
	for rev, want := range map[uint64]string{1: "a=1", 2: "a=1 b=2 c=2", 3: "b=2 c=2", 4: "a=3 b=2 c=2"} {
		got := ""
		err := b.e.Snapshot().RangeAt(rev, "b", "", nil, func(c *bus.Change) bool {
			got += fmt.Sprintf("%s=%s ", c.Key, c.Value)
			return true
		})
		if err != nil || got != want+" " {
			t.Errorf("at %d: want %q got %q, %v", rev, want, got, err)
		}
	}
}

// A failed or empty transaction leaves nothing and takes no revision.
func TestFailedTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.must("put", kvReq{Key: "a", Value: "1"})
	before := b.content()
	if _, err := b.call("put", kvReq{Key: "a", Value: "2", More: []string{"x", "y"}, Fail: true}); err == nil || err.Code != bus.CodeUsage {
		t.Fatalf("want a usage error, got %v", err)
	}
	b.must("delete", kvReq{Key: "nothing"})
	if got := b.content(); got != before {
		t.Fatalf("want %s got %s", before, got)
	}
	if a := b.must("put", kvReq{Key: "z"}); a.Revision != 2 {
		t.Fatalf("want revision 2, got %d", a.Revision)
	}
}

// TestRestart: the state after a restart is the fold of the log, whatever the
// checkpoints and trimming did.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int64{"log only": 1 << 40, "checkpoints": 4096} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(c *engine.Config) { c.CheckpointAfter, c.Keep = after, time.Nanosecond })
			for i := range 2000 {
				b.must("put", kvReq{Key: fmt.Sprint("k", i%37), Value: fmt.Sprint(i)})
				if i%5 == 0 {
					b.must("delete", kvReq{Key: fmt.Sprint("k", i%11)})
				}
			}
			before, history := b.content(), len(b.e.Snapshot().History("b", "k3"))
			b.restart()
			if got := b.content(); got != before {
				t.Fatalf("want %s\ngot  %s", before, got)
			}
			if got := len(b.e.Snapshot().History("b", "k3")); got != history {
				t.Fatalf("want %d versions, got %d", history, got)
			}
		})
	}
}

// TestOnce: a request sent again is answered and not repeated, also by the
// next engine.
func TestOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	id := uuid.New()
	req := func() *bus.Request { return &bus.Request{ID: id[:], Base: 0} }
	for i := range 3 {
		if a, err := b.send("append", kvReq{Key: "a", Value: "x"}, req()); err != nil || a.Before != "" {
			t.Fatalf("try %d: %+v %v", i, a, err)
		}
		if i == 1 {
			b.restart()
		}
	}
	if a := b.must("get", kvReq{Key: "a"}); a.Before != "x" {
		t.Fatalf("want x, got %q", a.Before)
	}
}

// TestDoubt: whatever becomes of an acknowledgement, each request is applied
// once and its caller learns the truth (K26).
func TestDoubt(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	n := 0
	b := newBed(t)
	b.log.Fail = func(uint64, []byte) enginetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		n++
		return []enginetest.Fault{enginetest.None, enginetest.LoseAck, enginetest.LoseWrite}[n%3]
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				want := ""
				if i > 0 {
					want = fmt.Sprint(i - 1)
				}
				if a := b.must("put", kvReq{Key: fmt.Sprint("w", w), Value: fmt.Sprint(i)}); a.Before != want {
					t.Errorf("writer %d: before %d want %q got %q", w, i, want, a.Before)
				}
			}
		})
	}
	wg.Wait()
	if got := b.e.Snapshot().Revision(); got != 400 {
		t.Fatalf("want revision 400, got %d", got)
	}
	before := b.content()
	b.restart()
	if got := b.content(); got != before {
		t.Fatalf("after restart: want %s got %s", before, got)
	}
}

// TestAnswersWait: a refusal that saw an unacknowledged write waits for it,
// and is evaluated again if that write proves dead.
func TestAnswersWait(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	b := newBed(t)
	b.log.Hold = hold
	sent, fail := make(chan struct{}), true
	b.log.Fail = func(uint64, []byte) enginetest.Fault {
		if fail {
			fail = false
			close(sent)
			return enginetest.LoseWrite
		}
		return enginetest.None
	}
	first, second := make(chan *bus.Error, 1), make(chan *bus.Error, 1)
	go func() { _, err := b.call("create", kvReq{Key: "x", Value: "1"}); first <- err }()
	<-sent
	go func() { _, err := b.call("create", kvReq{Key: "x", Value: "2"}); second <- err }()
	select {
	case err := <-second:
		t.Fatalf("answered before the write it saw was stored: %v", err)
	case <-first:
		t.Fatal("answered before it was stored")
	case hold <- struct{}{}: // the write is lost
	}
	close(hold)
	if err := <-first; err != nil {
		t.Fatalf("the first create: %v", err)
	}
	if err := <-second; !errors.Is(err, bus.NewError(bus.CodeExists, "")) {
		t.Fatalf("the second create: %v", err)
	}
}

// TestCloseInFlight: a write that was in flight when the engine closed is told
// from one that was surely not done.
func TestCloseInFlight(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	b := newBed(t)
	sent := make(chan struct{}, 1)
	b.log.Hold, b.log.Fail = hold, func(uint64, []byte) enginetest.Fault { sent <- struct{}{}; return enginetest.None }
	answers := make(chan *bus.Response, 2)
	body, _ := bus.Marshal(kvReq{Key: "k"})
	put := func() { b.e.Submit("u", "put", &bus.Request{Body: body}, func(res *bus.Response) { answers <- res }) }
	put()
	<-sent
	put()
	b.e.Close()
	close(hold)
	for _, doubt := range []bool{true, false} {
		if res := <-answers; res.Error == nil || res.Error.Code != bus.CodeNotActive || (res.Retry > 0) != doubt {
			t.Errorf("want not active, doubt %v, got %+v", doubt, res)
		}
	}
}

// TestLeaseEnds: an owner whose lease is not renewed is gone after its TTL;
// a restart gives it its full TTL again.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		body, _ := bus.Marshal(engine.RegisterOwner{ID: "o", TTL: 5000})
		res := b.e.Call(context.Background(), "u", "owner.register", &bus.Request{Body: body})
		if res.Error != nil {
			t.Fatal(res.Error)
		}
		time.Sleep(4 * time.Second) // fake time
		b.restart()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if n := len(b.e.Owners()); n != 1 {
			t.Fatalf("a restart shortened the lease: %d owners", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(b.e.Owners()); n != 0 {
			t.Fatalf("want no owner, got %d", n)
		}
		b.e.Close()
	})
}

// TestAwait: a waiter is woken by its key alone.
func TestAwait(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	got := make(chan kvAns, 1)
	go func() { a, _ := b.send("await", kvReq{Key: "k"}, &bus.Request{Wait: 10_000}); got <- a }()
	b.must("put", kvReq{Key: "other", Value: "1"})
	b.must("put", kvReq{Key: "k", Value: "2"})
	if a := <-got; a.Before != "2" {
		t.Fatalf("want 2, got %+v", a)
	}
}

// TestIncarnation: a log that lost records a checkpoint has seen begins a new
// incarnation, whose revisions are all new.
func TestIncarnation(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *engine.Config) { c.CheckpointAfter = 1 })
	for i := range 10 {
		b.must("put", kvReq{Key: "k", Value: fmt.Sprint(i)})
	}
	<-b.cps.Saved
	high := b.e.Snapshot().Revision()
	b.e.Close()
	b.log.Truncate(3)
	b.open()
	if s := b.e.Snapshot(); s.Incarnation != 2 || s.Revision() <= high {
		t.Fatalf("incarnation %d, revision %d after %d", s.Incarnation, s.Revision(), high)
	}
	a := b.must("put", kvReq{Key: "k", Value: "new"})
	b.restart()
	if got := b.e.Snapshot().Revision(); got != a.Revision {
		t.Fatalf("want revision %d, got %d", a.Revision, got)
	}
}

// TestIncarnationByView: a log that lost records which a view has shown begins
// a new incarnation, once.
func TestIncarnationByView(t *testing.T) {
	t.Parallel()
	shown := uint64(0)
	b := newBed(t, func(c *engine.Config) {
		c.Shown = func(context.Context) (uint64, error) { return shown, nil }
	})
	for i := range 10 {
		b.must("put", kvReq{Key: "k", Value: fmt.Sprint(i)})
	}
	shown = 10
	b.restart()
	if s := b.e.Snapshot(); s.Incarnation != 1 || s.Revision() != 10 {
		t.Fatalf("incarnation %d, revision %d, though nothing was lost", s.Incarnation, s.Revision())
	}
	b.e.Close()
	b.log.Truncate(5)
	for range 2 {
		b.open()
		if s := b.e.Snapshot(); s.Incarnation != 2 || s.Revision() <= 10 || string(s.Get("b", "k").Value) != "3" {
			t.Fatalf("incarnation %d, revision %d, %s", s.Incarnation, s.Revision(), b.content())
		}
		b.e.Close()
	}
	b.open()
	a := b.must("put", kvReq{Key: "k", Value: "new"})
	b.restart()
	if got := b.e.Snapshot().Revision(); got != a.Revision {
		t.Fatalf("want revision %d, got %d", a.Revision, got)
	}
}

// TestBrokenLog: a store that is foreign, newer or broken is refused with a
// clear line, and nothing is written to it.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	newer := []byte{'l', 'w', 'j', engine.FormatVersion + 1}
	for name, spoil := range map[string]func(*bed){
		"newer format": func(b *bed) { b.log.Foreign(newer) },
		"other store":  func(b *bed) { b.cfg.StoreID = bytes.Repeat([]byte{9}, 16) },
		"torn record":  func(b *bed) { b.log.Foreign([]byte{'l', 'w', 'j', 1, 0x91}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.must("put", kvReq{Key: "k"})
			b.e.Close()
			b.broken = true
			spoil(b)
			last, _ := b.log.Last(context.Background())
			_, err := engine.Open(context.Background(), b.cfg)
			if bus.CodeOf(err) != bus.CodeStore {
				t.Fatalf("want a store error, got %v", err)
			}
			if after, _ := b.log.Last(context.Background()); after != last {
				t.Fatalf("the log grew from %d to %d", last, after)
			}
		})
	}
}

// A foreign message in the log is passed over.
func TestForeignMessage(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.must("put", kvReq{Key: "k", Value: "1"})
	b.log.Foreign([]byte("garbage"))
	b.must("put", kvReq{Key: "k", Value: "2"})
	before := b.content()
	b.restart()
	if got := b.content(); got != before {
		t.Fatalf("want %s got %s", before, got)
	}
}

// TestTooLarge: what does not fit in a record is refused before it joins a
// round; what fits goes in a round of its own.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	big := string(make([]byte, engine.MaxRecordBytes))
	if _, err := b.call("put", kvReq{Key: "k", Value: big}); err == nil || err.Code != bus.CodeTooLarge {
		t.Fatalf("want too large, got %v", err)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { b.must("put", kvReq{Key: fmt.Sprint(i), Value: big[:3<<20]}) })
	}
	wg.Wait()
	if got := b.e.Snapshot().Revision(); got != 6 {
		t.Fatalf("want revision 6, got %d", got)
	}
}

// TestQuota: past versions go first; then writes are refused and deletes are not.
func TestQuota(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *engine.Config) { c.Quota = 1 << 20 })
	value := string(make([]byte, 10_000))
	var err *bus.Error
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = b.call("put", kvReq{Key: fmt.Sprint("k", n), Value: value})
	}
	if err == nil || err.Code != bus.CodeFull {
		t.Fatalf("want full, got %v after %d", err, n)
	}
	b.must("delete", kvReq{Key: "k0"})
}

// TestQuotaShedsFirst: a write is not refused while past versions can go.
func TestQuotaShedsFirst(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *engine.Config) { c.Quota = 1 << 20 })
	value := string(make([]byte, 10_000))
	for i := range 1000 {
		b.must("put", kvReq{Key: fmt.Sprint("k", i%20), Value: value})
	}
}
