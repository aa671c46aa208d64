package engine

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// fakeState is the state that a projector shows: every change ever made.
type fakeState struct {
	mu       sync.Mutex
	revision uint64
	seq      uint64
	changes  []*bus.Change
	live     map[[2]string]*bus.Change
}

func newFakeState() *fakeState { return &fakeState{live: map[[2]string]*bus.Change{}} }

// put makes one transaction of writes "bucket/key=value" and deletes "bucket/key".
func (s *fakeState) put(writes ...string) (seq uint64, changes []*bus.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.seq++
	for i, w := range writes {
		name, value, isPut := strings.Cut(w, "=")
		bucket, key, _ := strings.Cut(name, "/")
		before := s.live[[2]string{bucket, key}]
		c := &bus.Change{
			Bucket: bucket, Key: key, Op: bus.OpPut, Value: []byte(value), Part: uint32(i + 1), Parts: uint32(len(writes)),
			Revision: s.revision, Created: s.revision, Version: 1, Clock: s.revision, Time: int64(s.revision),
		}
		if before != nil {
			c.Previous, c.Version, c.Created = before.Revision, before.Version+1, before.Created
		}
		if !isPut {
			c.Op, c.Value, c.Version, c.Reason = bus.OpDelete, nil, 0, bus.ReasonDeleted
		}
		s.live[[2]string{bucket, key}] = c
		changes = append(changes, c)
	}
	s.changes = append(s.changes, changes...)
	return s.seq, changes
}

func (s *fakeState) config(nc *nats.Conn) ProjectorConfig {
	return ProjectorConfig{
		NATS: nc, Store: "test-store", Epoch: 1, Incarnation: 1, Sequence: s.seq,
		Revision: func() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.revision },
		Buckets: func(fn func(string) bool) {
			for _, b := range s.buckets() {
				if !fn(b) {
					return
				}
			}
		},
		Lookup: func(bucket, key string) *bus.Change {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.live[[2]string{bucket, key}]
		},
		State: func(bucket string, fn func(*bus.Change) bool) {
			for _, c := range s.of(bucket) {
				if !fn(c) {
					return
				}
			}
		},
		Reload: func(_ context.Context, bucket string, from, to uint64, fn func([]*bus.Change) error) error {
			s.mu.Lock()
			all := s.changes
			s.mu.Unlock()
			for _, c := range all {
				if c.Bucket == bucket && c.Revision >= from && c.Revision <= to {
					if err := fn([]*bus.Change{c}); err != nil {
						return err
					}
				}
			}
			return nil
		},
		Transient: func(bucket string) bool { return bucket == "transient" },
	}
}

func (s *fakeState) buckets() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for k := range s.live {
		if !seen[k[0]] {
			seen[k[0]] = true
			names = append(names, k[0])
		}
	}
	return names
}

func (s *fakeState) of(bucket string) (out []*bus.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.live {
		if k[0] == bucket {
			out = append(out, c)
		}
	}
	return out
}

// want lists what a bucket must show, "key=value revision".
func (s *fakeState) want(bucket string) []string {
	out := []string{}
	for _, c := range s.of(bucket) {
		if c.Op == bus.OpPut {
			out = append(out, fmt.Sprintf("%s=%s %d", bus.EscapeKey(c.Key), c.Value, c.Revision))
		}
	}
	sort.Strings(out)
	return out
}

// projection is a projector over a fakeState on a server of its own.
type projection struct {
	*StreamProjector
	t       testing.TB
	server  *storeServer
	state   *fakeState
	other   jetstream.JetStream // somebody else
	otherNC *nats.Conn
	foreign chan string
}

func newProjection(t testing.TB, prepare ...func(*ProjectorConfig)) *projection {
	t.Helper()
	s := newStoreServer(t)
	return startProjection(t, s, newFakeState(), prepare...)
}

func startProjection(t testing.TB, s *storeServer, state *fakeState, prepare ...func(*ProjectorConfig)) *projection {
	t.Helper()
	cfg := state.config(s.connect(nats.NoEcho()))
	foreign := make(chan string, 100)
	cfg.Foreign = func(bucket, key string, _ uint64) {
		select {
		case foreign <- bucket + "/" + key:
		default: // the test asks for the first ones only
		}
	}
	for _, f := range prepare {
		f(&cfg)
	}
	p, err := NewProjector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	nc := s.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &projection{p, t, s, state, js, nc, foreign}
}

func (p *projection) put(writes ...string) {
	p.t.Helper()
	p.Enqueue(p.state.put(writes...))
}

func (p *projection) flush() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		p.t.Fatalf("flush: %v (cursor %d)", err, p.Cursor())
	}
}

func (p *projection) verify() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Verify(ctx); err != nil {
		p.t.Fatalf("verify: %v", err)
	}
}

// shows fails unless a plain KV client sees exactly the state.
func (p *projection) shows(bucket string) {
	p.t.Helper()
	want := p.state.want(bucket)
	if got, err := p.seen(bucket); err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
		p.t.Fatalf("bucket %s: want and got differ in %v, %v", bucket, difference(want, got), err)
	}
}

// difference is what only one of the two has.
func difference(want, got []string) (out []string) {
	for _, w := range want {
		if !slices.Contains(got, w) {
			out = append(out, "-"+w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			out = append(out, "+"+g)
		}
	}
	return out
}

func (p *projection) seen(bucket string) ([]string, error) {
	kv, err := p.other.KeyValue(p.t.Context(), bucket)
	if err != nil {
		return nil, err
	}
	w, err := kv.WatchAll(p.t.Context(), jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	out := []string{}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		m, err := p.message(bucket, e.Revision())
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%s=%s %s", e.Key(), e.Value(), m.Header.Get(bus.HeaderRevision)))
	}
	sort.Strings(out)
	return out, nil
}

func (p *projection) message(bucket string, seq uint64) (*jetstream.RawStreamMsg, error) {
	s, err := p.other.Stream(p.t.Context(), "KV_"+bucket)
	if err != nil {
		return nil, err
	}
	return s.GetMsg(p.t.Context(), seq)
}

// becomes waits until a bucket shows the state. Nothing signals that to
// somebody else, so it looks again and again.
func (p *projection) becomes(bucket string) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		want := p.state.want(bucket)
		got, err := p.seen(bucket)
		if err == nil && fmt.Sprint(want) == fmt.Sprint(got) {
			return
		}
		select {
		case <-deadline:
			p.t.Fatalf("bucket %s: want and got differ in %v, %v", bucket, difference(want, got), err)
		case <-look.C:
		}
	}
}

// reported waits for the report of a foreign write.
func (p *projection) reported(want string) {
	p.t.Helper()
	select {
	case got := <-p.foreign:
		if got != want {
			p.t.Fatalf("want a report of %s, got %s", want, got)
		}
	case <-time.After(10 * time.Second):
		p.t.Fatalf("no report of %s", want)
	}
}

func TestProjectorShowsKV(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	p.put("b/k=1", "c/strange key!=2", "transient/x=3")
	p.put("b/k=2")
	p.put("b/gone=1")
	p.put("b/gone", "b/k=3")
	p.put("transient/x=4")
	p.flush()
	p.shows("b")
	p.shows("c")
	if n, bytes := p.Lag(); n != 0 || bytes != 0 {
		t.Fatalf("want no lag after a flush, got %d, %d", n, bytes)
	}
	if p.Cursor() != 5 {
		t.Fatalf("want the cursor at 5, got %d", p.Cursor())
	}
	if _, err := p.other.KeyValue(t.Context(), "transient"); err == nil {
		t.Fatal("want a transient bucket not to be shown")
	}
	kv, err := p.other.KeyValue(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	history, err := kv.History(t.Context(), "k")
	if err != nil || len(history) != 3 || string(history[1].Value()) != "2" {
		t.Fatalf("want three versions, got %v, %v", history, err)
	}
	m, err := p.message("b", history[2].Revision())
	if err != nil {
		t.Fatal(err)
	}
	got, err := bus.ChangeFromMsg("b", &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	if err != nil {
		t.Fatal(err)
	}
	if want := p.state.live[[2]string{"b", "k"}]; fmt.Sprintf("%+v", *want) != fmt.Sprintf("%+v", *got) {
		t.Fatalf("want %+v, got %+v", *want, *got)
	}
	deleted, err := kv.History(t.Context(), "gone")
	if err != nil || len(deleted) != 2 || deleted[1].Operation() != jetstream.KeyValueDelete {
		t.Fatalf("want a delete marker, got %v, %v", deleted, err)
	}
}

func TestProjectorGoesOnAfterRestart(t *testing.T) {
	t.Parallel()
	s, state := newStoreServer(t), newFakeState()
	p := startProjection(t, s, state)
	for i := range 50 {
		p.put("b/k"+strconv.Itoa(i%7)+"="+strconv.Itoa(i), "c/x="+strconv.Itoa(i))
	}
	p.flush()
	_ = p.Close()
	streams := testStreams(t, p.otherNC)
	if got, err := streams.Shown(t.Context(), p.otherNC, "test-store"); got != 50 || err != nil {
		t.Fatalf("want revision 50 shown, got %d, %v", got, err)
	}
	for i := range 20 { // while nobody projects
		state.put("b/k"+strconv.Itoa(i)+"=later", "d/new="+strconv.Itoa(i))
	}
	state.put("b/k3")
	s.reboot()
	p = startProjection(t, s, state)
	p.put("b/k0=last")
	p.flush()
	for _, bucket := range []string{"b", "c", "d"} {
		p.shows(bucket)
	}
	p.verify()
	stream, err := p.other.Stream(t.Context(), "KV_b")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stream.CachedInfo().State.LastSeq, uint64(50+20+1+1); got != want {
		t.Fatalf("want each change once: %d messages, got %d", want, got)
	}
}

func TestProjectorServerRestartsMeanwhile(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	for round := range 3 {
		for i := range 2000 {
			p.put(fmt.Sprintf("b/k%d=%d.%d", i%100, round, i))
			if i == 1000 {
				p.server.reboot()
			}
		}
		p.flush()
	}
	p.verify()
	p.shows("b")
}

func TestProjectorCutConnection(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	for i := range 5000 {
		p.put(fmt.Sprintf("b/k%d=%d", i%100, i), fmt.Sprintf("c/k%d=%d", i%10, i))
		if i%500 == 250 {
			if err := p.cfg.NATS.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.flush()
	p.verify()
	p.shows("b")
	p.shows("c")
	stream, err := p.other.Stream(t.Context(), "KV_b")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.LastSeq; got != 5000 {
		t.Fatalf("want each change once: 5000 messages, got %d", got)
	}
}

func TestProjectorForeignWrites(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	p.put("b/k=1")
	p.put("b/gone=1")
	p.put("b/gone")
	p.flush()
	for _, key := range []string{"k", "never", "gone", "=zz"} {
		if _, err := p.other.Publish(t.Context(), "$KV.b."+key, []byte("foreign")); err != nil {
			t.Fatal(err)
		}
		p.reported("b/" + key)
		p.becomes("b")
	}
	p.put("b/k=2")
	p.flush()
	p.shows("b")
}

func TestProjectorForeignWritesUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	p.put("b/k0=start")
	p.flush()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = p.otherNC.Publish("$KV.b.k"+strconv.Itoa(i%50), []byte("foreign"))
			}
		}
	})
	for i := range 30000 {
		p.put(fmt.Sprintf("b/k%d=%d", i%200, i))
	}
	p.flush()
	close(stop)
	wg.Wait()
	if err := p.otherNC.Flush(); err != nil {
		t.Fatal(err)
	}
	p.becomes("b")
}

func TestProjectorPurgedDeletedForeign(t *testing.T) {
	t.Parallel()
	p := newProjection(t)
	for i := range 300 {
		p.put(fmt.Sprintf("b/k%d=%d", i, i))
	}
	p.flush()
	stream, err := p.other.Stream(t.Context(), "KV_b")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.becomes("b")
	if err := p.other.DeleteStream(t.Context(), "KV_b"); err != nil {
		t.Fatal(err)
	}
	p.becomes("b")
	p.put("b/k1=again")
	p.flush()
	p.shows("b")
}

func TestProjectorNeverAdopts(t *testing.T) {
	t.Parallel()
	s, state := newStoreServer(t), newFakeState()
	js, err := jetstream.New(s.connect())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "theirs", "x"); err != nil {
		t.Fatal(err)
	}
	p := startProjection(t, s, state)
	p.put("b/k=1", "c/k=1")
	p.flush()
	p.verify()
	p.shows("c")
	if status, err := kv.Status(t.Context()); err != nil || status.Values() != 1 {
		t.Fatalf("want a foreign bucket untouched, got %v, %v", status, err)
	}
	if err := js.DeleteKeyValue(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	p.becomes("b")
}

func TestProjectorForgets(t *testing.T) {
	t.Parallel()
	s, state := newStoreServer(t), newFakeState()
	release := make(chan struct{})
	p := startProjection(t, s, state, func(cfg *ProjectorConfig) {
		buckets := cfg.Buckets
		cfg.Buckets = func(fn func(string) bool) { <-release; buckets(fn) } // the projection stands still
	})
	value := strings.Repeat("v", 1<<20)
	for i := range 100 {
		p.put(fmt.Sprintf("b/k%d=%d%s", i%30, i, value))
	}
	if p.queue.held > MaxProjectHeld {
		t.Fatalf("want at most %d bytes held, got %d", MaxProjectHeld, p.queue.held)
	}
	if n, bytes := p.Lag(); n != 100 || bytes < 100<<20 {
		t.Fatalf("want a lag of 100 changes, got %d, %d bytes", n, bytes)
	}
	close(release)
	p.flush()
	p.shows("b")
	if n, _ := p.Lag(); n != 0 {
		t.Fatalf("want no lag, got %d", n)
	}
}

func TestProjectorClose(t *testing.T) {
	t.Parallel()
	s, state := newStoreServer(t), newFakeState()
	p, err := NewProjector(state.config(s.connect(nats.NoEcho())))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close() // before the start
	if err := p.Start(t.Context()); err == nil {
		t.Fatal("want no start after a close")
	}
	q := startProjection(t, s, state)
	s.stop()
	q.put("b/k=1")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = q.Close() })
	}
	wg.Wait()
	if err := q.Flush(t.Context()); err == nil {
		t.Fatal("want no flush after a close")
	}
	s.boot()
	if _, err := NewProjector(state.config(s.connect())); err == nil {
		t.Fatal("want a connection that echoes refused")
	}
}

func TestWalker(t *testing.T) {
	t.Parallel()
	window := func(tokens ...string) (w []*flying) {
		for i, token := range tokens {
			w = append(w, &flying{token: token, change: &bus.Change{Op: bus.OpPut, Key: token, Revision: uint64(i + 1), Part: 1}})
		}
		return w
	}
	header := func(revision int) nats.Header { return nats.Header{bus.HeaderRevision: {strconv.Itoa(revision)}} }
	for name, c := range map[string]struct {
		window   []string
		stored   []int
		wantSent string
	}{
		"all stored":                    {[]string{"a", "b"}, []int{1, 2}, ""},
		"none stored":                   {[]string{"a", "b"}, nil, "a1 b2"},
		"end missing":                   {[]string{"a", "b", "c"}, []int{1, 2}, "c3"},
		"one replaced":                  {[]string{"a", "b", "c"}, []int{1, 3}, "b2"},
		"one replaced, later one there": {[]string{"a", "b", "b"}, []int{1, 3}, ""},
		"one replaced, later one comes": {[]string{"b", "a", "b"}, []int{2}, "b3"},
	} {
		w := walker{window: window(c.window...)}
		for _, r := range c.stored {
			if !w.match(c.window[r-1], header(r)) {
				t.Fatalf("%s: want %d matched", name, r)
			}
		}
		if w.match("a", header(99)) {
			t.Fatalf("%s: want a foreign message not matched", name)
		}
		_, rest := w.result()
		var sent []string
		for _, f := range rest {
			sent = append(sent, fmt.Sprint(f.token, f.change.Revision))
		}
		if got := strings.Join(sent, " "); got != c.wantSent {
			t.Errorf("%s: want %q sent again, got %q", name, c.wantSent, got)
		}
	}
}

// benchmarkChange is change i of a benchmark.
func benchmarkChange(i int) *bus.Change {
	return &bus.Change{
		Bucket: "b", Key: "k" + strconv.Itoa(i%10000), Op: bus.OpPut, Value: make([]byte, 128), Part: 1, Parts: 1,
		Revision: uint64(i + 2), Previous: uint64(i), Created: 1, Version: uint64(i), Clock: uint64(i), Time: int64(i) + 1e18,
	}
}

// The projector's answer to BenchmarkProjectJetStreamAsync.
func BenchmarkProject(b *testing.B) {
	p := newProjection(b)
	p.put("b/first=1")
	p.flush()
	changes := make([]*bus.Change, b.N)
	for i := range changes {
		changes[i] = benchmarkChange(i)
	}
	p.state.mu.Lock()
	p.state.revision += uint64(b.N)
	p.state.mu.Unlock()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 64 {
		p.Enqueue(uint64(i+2), changes[i:min(i+64, b.N)])
		if n, _ := p.Lag(); n > 100_000 { // below what the queue forgets
			p.flush()
		}
	}
	p.flush()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

func BenchmarkProjectJetStreamAsync(b *testing.B) {
	nc := newStoreServer(b).connect()
	if _, err := testStreams(b, nc).OpenBucket(b.Context(), "s", "b", DefaultProjectedHistory, 0); err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(ProjectInFlight))
	if err != nil {
		b.Fatal(err)
	}
	changes := make([]*bus.Change, b.N)
	for i := range changes {
		changes[i] = benchmarkChange(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i, c := range changes {
		m := &nats.Msg{
			Subject: "$KV.b." + bus.EscapeKey(c.Key), Data: c.Value,
			Header: c.Header(bus.HeaderEpoch, "1", bus.HeaderIncarnation, "1", nats.ExpectedLastSeqHdr, strconv.Itoa(i)),
		}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
