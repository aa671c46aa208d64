package engine

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// maxNotices bounds the keys of a bucket that are remembered as published to
	// by somebody else; beyond it the whole bucket is compared.
	maxNotices = 1024
	// repairBatch is how many keys the comparer hands to the loop at once.
	repairBatch = 1024
)

// wholeBucket stands on the notice board for no key in particular.
const wholeBucket = ""

// noticeBoard collects what is heard on the buckets' subjects.
type noticeBoard struct {
	ready chan struct{}
	mu    sync.Mutex
	heard map[*bucketView]map[string]struct{}
}

func (n *noticeBoard) init() {
	n.ready, n.heard = make(chan struct{}, 1), map[*bucketView]map[string]struct{}{}
}

func (n *noticeBoard) put(b *bucketView, token string) {
	n.mu.Lock()
	tokens := n.heard[b]
	if tokens == nil {
		tokens = map[string]struct{}{}
		n.heard[b] = tokens
	}
	if len(tokens) < maxNotices { // the settling finds them all; one is enough for a comparison
		tokens[token] = struct{}{}
	}
	n.mu.Unlock()
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

func (n *noticeBoard) take() map[*bucketView]map[string]struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	heard := n.heard
	n.heard = map[*bucketView]map[string]struct{}{}
	return heard
}

// repairRequest is keys of a bucket in which state and stream differ as of a
// revision; done is closed when they are in the stream.
type repairRequest struct {
	view   *bucketView
	tokens []string
	upTo   uint64
	done   chan struct{}
}

// comparer knows which buckets are to be compared, and when.
type comparer struct {
	wake chan struct{}
	idle broadcast

	mu    sync.Mutex
	views []*bucketView
	due   map[*bucketView]time.Time
	last  map[*bucketView]time.Time
	busy  bool
}

func (c *comparer) init() {
	c.wake, c.due, c.last = make(chan struct{}, 1), map[*bucketView]time.Time{}, map[*bucketView]time.Time{}
	c.idle.init()
}

// add makes a bucket known.
func (c *comparer) add(b *bucketView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = append(c.views, b)
}

// remove forgets a bucket.
func (c *comparer) remove(b *bucketView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = slices.DeleteFunc(slices.Clone(c.views), func(v *bucketView) bool { return v == b }) // all may be using the old one
	delete(c.due, b)
	delete(c.last, b)
	b.retired.Store(true)
}

// ofStream returns the bucket of a stream, nil if it is none of ours.
func (c *comparer) ofStream(stream string) *bucketView {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.views {
		if b.stream == stream {
			return b
		}
	}
	return nil
}

// want has a bucket compared now.
func (c *comparer) want(b *bucketView) { c.wantAt(time.Now(), b) }

// wantSoon has a bucket compared, but not again and again.
func (c *comparer) wantSoon(b *bucketView) {
	c.mu.Lock()
	at := c.last[b].Add(compareAgain)
	c.mu.Unlock()
	c.wantAt(at, b)
}

// all has every bucket compared now.
func (c *comparer) all() {
	c.mu.Lock()
	views := c.views[:len(c.views):len(c.views)]
	c.mu.Unlock()
	c.wantAt(time.Now(), views...)
}

func (c *comparer) wantAt(at time.Time, views ...*bucketView) {
	c.mu.Lock()
	for _, b := range views {
		if b.retired.Load() {
			continue
		}
		if due, ok := c.due[b]; !ok || at.Before(due) {
			c.due[b] = at
		}
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes a bucket that is due, or returns how long none is.
func (c *comparer) next(now time.Time) (b *bucketView, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = time.Hour
	for view, at := range c.due {
		if d := at.Sub(now); d <= 0 {
			delete(c.due, view)
			c.last[view], c.busy = now, true
			return view, 0
		} else if d < wait {
			wait = d
		}
	}
	return nil, wait
}

func (c *comparer) done() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
	c.idle.wake()
}

func (c *comparer) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.busy && len(c.due) == 0
}

// Verify compares all buckets with the state. See Projector.
//
// Errors: those of ctx; ErrClosed after Close.
func (p *StreamProjector) Verify(ctx context.Context) error {
	p.compare.all()
	for {
		changed := p.compare.idle.wait()
		if p.compare.quiet() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ctx.Done():
			return bus.ErrClosed
		}
	}
}

// compareLoop compares buckets when that is wanted. It ends with p.ctx.
func (p *StreamProjector) compareLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for p.ctx.Err() == nil {
		b, wait := p.compare.next(time.Now())
		if b != nil {
			if err := p.compareBucket(b); err != nil && p.ctx.Err() == nil && !b.retired.Load() {
				p.log.Warn("a bucket could not be compared; it will be", "bucket", b.name, "error", err)
				p.compare.wantSoon(b)
			}
			p.compare.done()
			continue
		}
		timer.Reset(wait)
		select {
		case <-p.ctx.Done():
		case <-p.compare.wake:
		case <-timer.C:
		}
	}
}

// comparison is one bucket being compared as of a revision: a key whose newest
// change is above it will be written by the loop.
type comparison struct {
	p      *StreamProjector
	b      *bucketView
	upTo   uint64
	seed   maphash.Seed
	right  map[uint64]struct{} // hashes of the live keys that the stream shows
	tokens []string
}

func (p *StreamProjector) compareBucket(b *bucketView) error {
	c := &comparison{p: p, b: b, upTo: b.shownRev.Load(), seed: maphash.MakeSeed(), right: map[uint64]struct{}{}}
	info, err := streamInfo(p.ctx, p.js, b.stream)
	if b.retired.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.streams.check(info.Config, kindView, p.cfg.Store); err != nil {
		return nil // the loop has parked the bucket, or will
	}
	if info.State.Msgs > 0 {
		if err := c.stream(info.State.LastSeq); err != nil {
			return err
		}
	}
	c.state()
	return c.hand()
}

// stream looks at the last message of each key.
func (c *comparison) stream(last uint64) error {
	it, err := messages(c.p.ctx, c.p.js, c.b.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: []string{c.b.prefix + ">"}, HeadersOnly: true,
	})
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		m, err := nextMessage(c.p.ctx, it)
		if err != nil {
			return err
		}
		c.message(m)
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream >= last || meta.NumPending == 0 {
			return nil
		}
		if len(c.tokens) >= repairBatch {
			if err := c.hand(); err != nil {
				return err
			}
		}
	}
}

func (c *comparison) message(m jetstream.Msg) {
	token := m.Subject()[len(c.b.prefix):]
	s := readShown(m.Headers(), c.p.cfg.Revision())
	now := c.p.lookup(c.b, token)
	live := now != nil && now.Op == bus.OpPut
	switch {
	case now != nil && now.Revision > c.upTo:
		c.right[maphash.String(c.seed, token)] = struct{}{}
	case live && !s.deleted && s.at == positionOf(now):
		c.right[maphash.String(c.seed, token)] = struct{}{}
	case live || !s.deleted:
		c.tokens = append(c.tokens, token)
		c.right[maphash.String(c.seed, token)] = struct{}{}
	}
}

// state looks for keys that the stream does not show.
func (c *comparison) state() {
	c.p.cfg.State(c.b.name, func(change *bus.Change) bool {
		token := bus.EscapeKey(change.Key)
		if _, ok := c.right[maphash.String(c.seed, token)]; !ok && change.Revision <= c.upTo && change.Op == bus.OpPut {
			c.tokens = append(c.tokens, token)
		}
		return c.p.ctx.Err() == nil
	})
}

// hand gives the loop the keys that differ and waits until they are right.
func (c *comparison) hand() error {
	for len(c.tokens) > 0 {
		n := min(len(c.tokens), repairBatch)
		r := repairRequest{view: c.b, tokens: c.tokens[:n], upTo: c.upTo, done: make(chan struct{})}
		select {
		case c.p.repairs <- r:
		case <-c.p.ctx.Done():
			return c.p.ctx.Err()
		}
		select {
		case <-r.done:
		case <-c.p.ctx.Done():
			return c.p.ctx.Err()
		}
		c.tokens = c.tokens[n:]
	}
	return nil
}
