package engine

import (
	"errors"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// errDropped parks the view of a bucket that is no more.
var errDropped = errors.New("the bucket was removed")

// openStream finds or makes the stream of a bucket.
func (p *StreamProjector) openStream(b *bucketView) (*jetstream.StreamInfo, error) {
	return p.streams.OpenBucket(p.ctx, p.cfg.Store, b.name, p.cfg.History(b.name), b.since)
}

// declared takes up that a bucket was declared or dropped, as the state says
// now: what shows one that was dropped goes, and nobody brings it back
// (TestDroppedBucketIsDeleted). A declared bucket has a view before its first key.
func (p *StreamProjector) declared(name string) {
	since, gone := p.cfg.Dropped(name)
	b := p.buckets[name]
	if b != nil && b.since < since {
		p.retire(b)
	}
	if !gone {
		p.bucket(name)
		return
	}
	err := p.streams.DeleteBucket(p.ctx, p.cfg.Store, name)
	if err != nil && p.ctx.Err() == nil {
		p.log.Error("the view of a bucket that was removed cannot be deleted; the next start tries again", "bucket", name, "error", err)
	}
}

// dropMissed retires the views of buckets that were dropped in records that
// were forgotten.
func (p *StreamProjector) dropMissed() {
	for _, b := range p.views() {
		if since, _ := p.cfg.Dropped(b.name); b.since < since {
			p.declared(b.name)
		}
	}
}

func (p *StreamProjector) views() []*bucketView { return slices.Collect(maps.Values(p.buckets)) }

// retire gives up the view of a bucket. What is in flight for it counts as done.
func (p *StreamProjector) retire(b *bucketView) {
	p.compare.remove(b)
	delete(p.buckets, b.name)
	if b.sub != nil {
		_ = b.sub.Unsubscribe() // fails only when the connection is closed
	}
	p.forgetWaiting(b)
	for _, f := range b.window {
		p.land(f)
	}
	b.window, b.doubt, b.wrong, b.parked = nil, nil, nil, errDropped
	p.batch = slices.DeleteFunc(p.batch, func(f *flying) bool {
		if f.view != b {
			return false
		}
		p.batchBytes -= f.size
		p.done(f)
		return true
	})
}
