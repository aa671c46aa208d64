package kvbucket

import (
	"context"
	"slices"
	"sync"

	"github.com/lwjbus/lwjbus/bus"
)

// DefaultMirrorBytes is the default of MirrorMaxBytes: 1 GiB.
const DefaultMirrorBytes = 1 << 30

// MirrorOption changes one Mirror.
type MirrorOption func(*mirrorOptions)

type mirrorOptions struct {
	ranges []Range
	some   bool
	most   int64
}

// MirrorRanges keeps the keys of these ranges only; they may overlap. Default:
// the whole bucket.
func MirrorRanges(ranges ...Range) MirrorOption {
	return func(o *mirrorOptions) { o.ranges, o.some = append(o.ranges, ranges...), true }
}

// MirrorMaxBytes bounds the mirror's keys in memory: of each key the bytes of
// its name, value and owner and some 256 more. While it reads everything again
// it holds twice as much, and what old snapshots alone hold is not counted.
// Default: DefaultMirrorBytes.
func MirrorMaxBytes(n int64) MirrorOption { return func(o *mirrorOptions) { o.most = n } }

// Mirror is a copy of a bucket, or of some of its ranges, in this process:
// ordered, with all that an Entry has, and kept up to date. Reading it asks
// nobody.
//
// It moves from one whole transaction to the next, and its revision never
// falls within an incarnation of the store (TestMirrorModel). It goes on when
// the connection breaks, the host restarts or another takes over
// (TestMirrorRestart). When what it missed is gone, or the store has begun a
// new incarnation, it reads everything again and then shows that at once,
// never a mix (TestMirrorReloads, TestMirrorNewIncarnation).
//
// Safe for concurrent use. It has one goroutine and its subscription's, while
// it reads everything another; Close waits for them.
type Mirror struct {
	conn   *bus.Conn
	bucket string
	ranges []Range // in order, none touches another; never none
	most   int64

	ctx    context.Context // ends in Close
	cancel context.CancelCauseFunc
	loop   sync.WaitGroup

	mu       sync.Mutex
	copy     *mirrorCopy
	revision uint64
	shown    *Snapshot // of copy, if it was asked for since the last change
	follower *bus.Follower
	waits    []*mirrorWait // by revision
	err      error         // why it has ended
}

// Mirror reads the bucket and follows it; it returns when everything has been
// read. ctx is for the call alone.
//
// Errors: ErrTooLarge for more than MirrorMaxBytes, or more than MaxFilters
// ranges; those of bus.Conn.Follow and bus.Conn.Call.
func (b *Bucket) Mirror(ctx context.Context, opts ...MirrorOption) (*Mirror, error) {
	o := mirrorOptions{most: DefaultMirrorBytes}
	for _, set := range opts {
		set(&o)
	}
	if len(o.ranges) > MaxFilters {
		return nil, bus.NewError(bus.CodeTooLarge, "a mirror of %d ranges: at most %d are allowed", len(o.ranges), MaxFilters).
			WithHint("mirror the whole bucket")
	}
	m := &Mirror{conn: b.conn, bucket: b.name, ranges: o.spans(), most: o.most}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	l, err := m.first(ctx)
	if err != nil {
		m.cancel(err)
		return nil, err
	}
	m.show(l)
	m.loop.Go(m.run)
	return m, nil
}

// spans are the ranges without what is in them twice.
func (o *mirrorOptions) spans() []Range {
	if !o.some {
		return []Range{{}}
	}
	var in []wireRange
	for _, r := range o.ranges {
		in = append(in, wireRange(r))
	}
	var out []Range
	for _, r := range merge(in) {
		out = append(out, Range(r))
	}
	if out == nil {
		return []Range{Between("", "")} // no key: to say nothing would be all of them
	}
	return out
}

// first loads for the first time: what keeps failing is the caller's to know.
func (m *Mirror) first(ctx context.Context) (*mirrorLoad, error) {
	for n := 1; ; n++ {
		l, err := m.load(ctx)
		if err == nil || n == readTries || bus.CodeOf(err) != bus.CodeCompacted {
			return l, err
		}
	}
}

// follow begins to follow the mirror's keys from now on.
func (m *Mirror) follow(ctx context.Context) (*bus.Follower, error) {
	in := &replayRequest{Bucket: m.bucket}
	for _, r := range m.ranges {
		in.Ranges = append(in.Ranges, wireRange(r))
	}
	of := spans(slices.Clone(in.Ranges))
	return m.conn.Follow(ctx, bus.FollowConfig{
		Bucket: m.bucket, Now: true, Progress: true,
		Match: func(c *bus.Change) bool { return of.contain(c.Key) },
		Replay: func(ctx context.Context, from uint64) (*bus.Page, error) {
			p, ask := new(bus.Page), *in
			ask.From = from
			return p, m.conn.Call(ctx, verbReplay, &ask, p, bus.Read())
		},
	})
}

// run keeps the mirror up to date until it ends.
func (m *Mirror) run() {
	for {
		err := m.apply(m.follower)
		m.follower.Close()
		if m.ctx.Err() == nil && bus.CodeOf(err) == bus.CodeCompacted {
			var l *mirrorLoad
			if l, err = m.reload(m.ctx); err == nil {
				m.show(l)
				continue
			}
		}
		m.end(err)
		return
	}
}

// apply makes what the follower returns, transaction by transaction, until it
// ends.
func (m *Mirror) apply(f *bus.Follower) error {
	for {
		b, err := f.Next(m.ctx)
		if err == nil {
			err = m.transact(b)
		}
		if err != nil {
			return err
		}
	}
}

// transact makes one transaction, or goes on to the revision of a mark.
func (m *Mirror) transact(b bus.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.room(m.copy.after(b.Changes)); err != nil {
		return err
	}
	for _, c := range b.Changes {
		m.copy.apply(m.copy.entry(c))
	}
	m.moveLocked(b.Revision)
	return nil
}

// room refuses what is too large.
func (m *Mirror) room(bytes int64) error {
	if bytes <= m.most {
		return nil
	}
	return bus.NewError(bus.CodeTooLarge, "the mirror of bucket %s would take more than %d bytes", m.bucket, m.most).
		WithHint("mirror fewer keys, or allow it more memory")
}

// show makes what was loaded the mirror's keys.
func (m *Mirror) show(l *mirrorLoad) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copy, m.follower = l.copy, l.follower
	m.moveLocked(l.told)
	if len(m.waits) > 0 {
		m.follower.Refresh()
	}
}

// end tells why the mirror goes on no more.
func (m *Mirror) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	m.wakeLocked(len(m.waits))
}

// Snapshot returns the keys as they are here now. It takes no time, however
// many they are, and may be kept. A mirror that has ended goes on to return its
// last one.
func (m *Mirror) Snapshot() *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshotLocked()
}

func (m *Mirror) snapshotLocked() *Snapshot {
	if m.shown == nil {
		m.shown = &Snapshot{revision: m.revision, tree: m.copy.tree.Copy()}
	}
	return m.shown
}

// Err is nil while the mirror goes on. Then it says why it has ended:
// ErrTooLarge, bus.ErrClosed, or what the host refuses.
func (m *Mirror) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Close ends the mirror; waits return bus.ErrClosed. It may be called more than
// once.
func (m *Mirror) Close() error {
	m.cancel(bus.ErrClosed)
	m.loop.Wait()
	return nil
}
