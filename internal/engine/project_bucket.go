package engine

import (
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

var (
	errPublishRefused = errors.New("a subject that the server would refuse")
	errOtherSequence  = errors.New("an acknowledgement of another sequence")
)

// bucketView is a bucket's stream as the loop knows it.
type bucketView struct {
	name    string
	prefix  string // of its subjects
	stream  string
	sub     *nats.Subscription // foreign messages
	dropped int                // of those, by the client library
	retired atomic.Bool        // the bucket was dropped: for the comparer
	created time.Time
	since   uint64 // the revision that dropped the bucket before this stream

	taken    position      // the newest change that was taken up in order
	shownRev atomic.Uint64 // the revision up to which all is acknowledged, for the comparer
	acked    uint64        // the stream's sequence up to which everything is known
	next     uint64        // the stream's last sequence once all in the window are stored
	window   []*flying     // published, not acknowledged, in order
	waiting  []*awaited    // acknowledgements to come, in order
	doubt    error         // why the window must be settled

	wrong map[string]uint64 // escaped keys with a foreign message, and its sequence

	msgs, keys uint64    // most that the stream was seen to hold
	parked     error     // why it is not projected for now
	retry      time.Time // when to try a parked bucket again, or a settle
	pause      time.Duration
}

// flying is a message from when it is taken up until it is acknowledged.
type flying struct {
	view   *bucketView
	token  string      // the key, escaped
	change *bus.Change // nil: a delete of which nothing is known
	record *projected  // nil for a repair
	repair position    // not zero for a repair
	slot   uint64      // the sequence it must get
	size   int
}

// projected counts what of a record is not yet acknowledged.
type projected struct {
	seq   uint64
	left  int
	count int
	bytes int64
}

// awaited is an acknowledgement to come.
type awaited struct {
	view  *bucketView
	token uint64
	slot  uint64
	since time.Time
}

// project takes up one record, or what stands for forgotten ones.
func (p *StreamProjector) project(r record) {
	rec := &projected{seq: r.seq, left: 1, count: r.count, bytes: r.bytes}
	p.records = append(p.records, rec)
	if r.from == 0 {
		p.takeUp(rec, r.changes)
	} else {
		p.reload(rec, r)
	}
	rec.left--
	p.advance()
}

// takeUp puts changes into the batch, but for those that a bucket shows.
func (p *StreamProjector) takeUp(rec *projected, changes []*bus.Change) {
	for _, c := range changes {
		if c.Bucket == BucketBucket {
			p.declared(c.Key)
			continue
		}
		if p.cfg.Transient(c.Bucket) {
			continue
		}
		b := p.bucket(c.Bucket)
		if b == nil || c.Revision <= b.since || !positionOf(c).after(b.taken) {
			continue
		}
		b.taken = positionOf(c)
		if b.parked != nil {
			continue // it is filled from the state when it is ours again
		}
		p.join(&flying{view: b, token: bus.EscapeKey(c.Key), change: c, record: rec, size: weight(c)})
	}
}

// join puts a message into the batch.
func (p *StreamProjector) join(f *flying) {
	if err := f.check(p.cfg.NATS.MaxPayload()); err != nil {
		p.log.Error("a change cannot be shown", "bucket", f.view.name, "key", f.token, "error", err)
		return
	}
	if f.record != nil {
		f.record.left++
	}
	p.batch = append(p.batch, f)
	p.batchBytes += f.size
	if len(p.batch) >= ProjectBatch || p.batchBytes >= ProjectBatchBytes {
		p.sendBatch()
	}
}

// reload asks the state for what was forgotten.
func (p *StreamProjector) reload(rec *projected, r record) {
	p.dropMissed()
	var names []string
	p.cfg.Buckets(func(name string) bool { names = append(names, name); return true })
	for _, name := range names {
		if p.cfg.Transient(name) {
			continue
		}
		b := p.bucket(name)
		if b == nil {
			continue // dropped, or the end
		}
		err := p.cfg.Reload(p.ctx, name, max(r.from, b.taken.revision), r.revision, func(changes []*bus.Change) error {
			p.takeUp(rec, changes)
			return p.ctx.Err()
		})
		if err != nil && p.ctx.Err() == nil {
			p.log.Error("forgotten changes of a bucket cannot be asked back; it is compared with the state", "bucket", name, "error", err)
			p.compare.want(b)
		}
		b.taken = later(b.taken, position{r.revision, math.MaxUint32})
	}
}

func later(p, q position) position {
	if q.after(p) {
		return q
	}
	return p
}

// advance moves the cursor over records that are acknowledged as a whole.
func (p *StreamProjector) advance() {
	if p.ctx.Err() != nil {
		return // what was given up for the end is not projected
	}
	n := 0
	for n < len(p.records) && p.records[n].left == 0 {
		r := p.records[n]
		p.cursor.Store(max(p.cursor.Load(), r.seq))
		p.changes.Add(-int64(r.count))
		p.bytes.Add(-r.bytes)
		n++
	}
	if n > 0 {
		p.records = slices.Delete(p.records, 0, n)
		p.flushed.wake()
	}
}

// bucket returns the view of a bucket, opening it first; nil for one that was
// dropped, and when the projection ends.
func (p *StreamProjector) bucket(name string) *bucketView {
	if b := p.buckets[name]; b != nil {
		return b
	}
	since, gone := p.cfg.Dropped(name)
	if gone {
		return nil
	}
	b := &bucketView{name: name, since: since, prefix: p.cfg.Names.KVSubject(name, ""), stream: p.cfg.Names.KVStream(name)}
	sub, err := p.cfg.NATS.Subscribe(b.prefix+">", func(m *nats.Msg) { p.notices.put(b, m.Subject[len(b.prefix):]) })
	if err != nil {
		p.log.Warn("foreign writes into a bucket are noticed late", "bucket", name, "error", err)
	}
	b.sub = sub
	p.buckets[name] = b
	p.open(b)
	p.compare.add(b)
	if p.ctx.Err() != nil {
		return nil
	}
	return b
}

// findBuckets opens the buckets that are there, so that they are watched.
func (p *StreamProjector) findBuckets() {
	names, err := p.streams.Buckets(p.ctx, p.cfg.Store)
	if err != nil && p.ctx.Err() == nil {
		p.log.Warn("the buckets cannot be listed", "error", err)
	}
	for _, name := range names {
		if p.ctx.Err() == nil && !p.cfg.Transient(name) {
			p.declared(name)
		}
	}
}

func (p *StreamProjector) unwatch() {
	for _, b := range p.buckets {
		if b.sub != nil {
			_ = b.sub.Unsubscribe() // fails only when the connection is closed
		}
	}
}

// adopt takes the stream's state as where the bucket stands.
func (b *bucketView) adopt(info *jetstream.StreamInfo) {
	b.created = info.Created
	b.acked, b.next = info.State.LastSeq, info.State.LastSeq
	b.msgs, b.keys = info.State.Msgs, info.State.NumSubjects
}
