package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds and times of the projection.
const (
	// MaxProjectHeld bounds the bytes of changes that wait in memory. Beyond it
	// the queue forgets, and the changes are asked back from the state.
	MaxProjectHeld = 64 << 20
	// ProjectBatch and ProjectBatchBytes bound a batch: per bucket, only the last
	// message of a batch asks for an acknowledgement.
	ProjectBatch      = 1024
	ProjectBatchBytes = 4 << 20
	// ProjectInFlight and ProjectInFlightBytes bound what is not acknowledged. The
	// number stays below the 10,000 that a stream takes in before it drops.
	ProjectInFlight      = 4 * ProjectBatch
	ProjectInFlightBytes = 4 * ProjectBatchBytes
	// ProjectPause is the time between two batches while fewer than ProjectBatch
	// changes wait. A change that comes alone is projected at once; under load the
	// pause makes few large writes of many small ones: on a journaling file system
	// each sync of the log also flushes what the views have written (ADR 006).
	ProjectPause = 50 * time.Millisecond
	// ProjectCheck is how often every bucket is looked at for foreign hands.
	ProjectCheck = time.Second
	// compareAgain is the least time between two comparisons of a bucket that
	// foreign writes cause.
	compareAgain = 5 * time.Second
	// retryFirst and retryMost bound the pause before a bucket is tried again.
	retryFirst, retryMost = 100 * time.Millisecond, time.Minute
)

// ProjectorConfig says what is projected to where. The callbacks are called
// from the projector's goroutines and must be safe for concurrent use. They
// speak of acknowledged state that is at least as new as what was enqueued.
type ProjectorConfig struct {
	// NATS is the projector's own connection, to the account of the buckets,
	// opened with nats.NoEcho(): what comes in on a bucket's subjects is then
	// somebody else's. Required.
	NATS        *nats.Conn
	Names       bus.Names
	Replicas    int    // of the buckets' streams. Default: 1.
	Store       string // id of the store. Required.
	Epoch       uint64
	Incarnation uint64
	// Sequence is the record of the log at which the state stands when the
	// projector starts: all of it is brought into the buckets, then Cursor says so.
	Sequence uint64

	// Revision is the newest revision of the state. Required.
	Revision func() uint64
	// Buckets calls fn with the name of each bucket of the state. Required.
	Buckets func(fn func(bucket string) bool)
	// Lookup returns a key's newest change, a delete if that is what it is and
	// it is still known, nil for a key that is not. Required.
	Lookup func(bucket, key string) *bus.Change
	// State calls fn with the newest change of each key of bucket. Required.
	State func(bucket string, fn func(*bus.Change) bool)
	// Reload calls fn with the changes of bucket whose revisions are from `from`
	// to `to`, in commit order; those that the state dropped are left out. Required.
	Reload func(ctx context.Context, bucket string, from, to uint64, fn func([]*bus.Change) error) error

	// History is how many versions a bucket shows. Default: DefaultProjectedHistory.
	History func(bucket string) int
	// Transient buckets are not projected. Default: none is.
	Transient func(bucket string) bool
	// Dropped tells the revision that dropped a bucket last, 0 for none, and
	// whether nothing has come into it since: its stream is deleted, and made
	// again when something comes. Default: no bucket is dropped.
	Dropped func(bucket string) (revision uint64, gone bool)
	// Foreign is told of each message that somebody else wrote into a bucket of
	// ours; key is the escaped key. It must not block. Default: it is logged.
	Foreign func(bucket, key string, seq uint64)
	Logger  *slog.Logger // Default: slog.Default().
}

func (c *ProjectorConfig) validate() error {
	if c.NATS == nil || c.Store == "" || c.Revision == nil || c.Buckets == nil || c.Lookup == nil || c.State == nil || c.Reload == nil {
		return errors.New("engine: ProjectorConfig lacks a required field")
	}
	if !c.NATS.Opts.NoEcho {
		return errors.New("engine: the projector's connection must be opened with nats.NoEcho()")
	}
	if c.Names.Namespace == "" {
		c.Names.Namespace = bus.DefaultNamespace
	}
	if c.History == nil {
		c.History = func(string) int { return DefaultProjectedHistory }
	}
	if c.Transient == nil {
		c.Transient = func(string) bool { return false }
	}
	if c.Dropped == nil {
		c.Dropped = func(string) (uint64, bool) { return 0, false }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Foreign == nil {
		log := c.Logger
		c.Foreign = func(bucket, key string, seq uint64) {
			log.Warn("somebody else wrote into a bucket of ours", "bucket", bucket, "key", key, "sequence", seq)
		}
	}
	return nil
}

// StreamProjector is a Projector into JetStream streams. One goroutine, its
// loop, owns the buckets and publishes; another compares. See project_repair.go
// for what happens when a stream is not as the loop left it.
type StreamProjector struct {
	cfg     ProjectorConfig
	js      jetstream.JetStream
	streams *Streams
	log     *slog.Logger
	queue   projectQueue
	cursor  atomic.Uint64
	changes atomic.Int64 // lag
	bytes   atomic.Int64

	// the loop's own
	buckets       map[string]*bucketView
	records       []*projected // in order, not yet acknowledged as a whole
	batch         []*flying    // taken, not yet published
	batchBytes    int
	inFlight      int
	inFlightBytes int
	token         uint64
	waiting       map[uint64]*awaited
	acks          chan *nats.Msg
	inbox         string               // prefix of the reply subjects, with its dot
	subs          []*nats.Subscription // acknowledgements, advisories
	message       kvMessage

	notices noticeBoard
	repairs chan repairRequest
	compare comparer
	flushed broadcast
	hurry   chan struct{} // somebody waits for a Flush

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards started and closed
	started,
	closed bool
}

// NewProjector makes a projector; Start begins.
func NewProjector(cfg ProjectorConfig) (*StreamProjector, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return nil, err
	}
	p := &StreamProjector{
		cfg: cfg, js: js, log: cfg.Logger, streams: &Streams{Core: js, Names: cfg.Names, Replicas: cfg.Replicas},
		buckets: map[string]*bucketView{}, waiting: map[uint64]*awaited{},
		acks: make(chan *nats.Msg, ProjectInFlight), inbox: cfg.NATS.NewInbox() + ".",
		repairs: make(chan repairRequest), hurry: make(chan struct{}, 1),
	}
	p.queue.init()
	p.notices.init()
	p.compare.init()
	p.flushed.init()
	p.message.init(&cfg)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Start begins to project: first what the buckets lack of the state, then what
// is enqueued. ctx bounds the projection's life as Close does.
func (p *StreamProjector) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started || p.closed {
		return bus.ErrClosed
	}
	sub, err := p.cfg.NATS.ChanSubscribe(p.inbox+"*", p.acks)
	if err != nil {
		return fmt.Errorf("start the projection: %w", err)
	}
	audit, err := p.cfg.NATS.Subscribe(advisories, p.advised)
	if err != nil {
		return errors.Join(fmt.Errorf("start the projection: %w", err), sub.Unsubscribe())
	}
	p.subs, p.started = []*nats.Subscription{sub, audit}, true
	p.queue.owe(p.cfg.Sequence, p.cfg.Revision())
	stop := context.AfterFunc(ctx, p.cancel)
	status := p.cfg.NATS.StatusChanged(nats.CONNECTED)
	p.wg.Go(func() { defer stop(); p.run(status) }) // ends with p.ctx; Close waits
	p.wg.Go(p.compareLoop)                          // ends with p.ctx; Close waits
	return nil
}

// Enqueue hands over the changes of one record. See Projector.
func (p *StreamProjector) Enqueue(seq uint64, changes []*bus.Change) {
	r := record{seq: seq, changes: changes}
	declares := false
	for _, c := range changes {
		declares = declares || c.Bucket == BucketBucket
		if !p.cfg.Transient(c.Bucket) {
			r.count++
			r.bytes += int64(weight(c))
		}
		r.revision = c.Revision
	}
	if r.count == 0 && !declares {
		r.changes = nil
	}
	p.changes.Add(int64(r.count))
	p.bytes.Add(r.bytes)
	p.queue.add(r)
}

// Cursor is the highest sequence up to which everything is acknowledged.
func (p *StreamProjector) Cursor() uint64 { return p.cursor.Load() }

// Lag is what is enqueued and not yet acknowledged.
func (p *StreamProjector) Lag() (changes int, bytes int64) {
	return int(p.changes.Load()), p.bytes.Load()
}

// Flush waits until everything enqueued before the call is in the buckets.
//
// Errors: those of ctx; ErrClosed after Close.
func (p *StreamProjector) Flush(ctx context.Context) error {
	want := p.queue.newest()
	for {
		changed := p.flushed.wait()
		if p.cursor.Load() >= want {
			return nil
		}
		select {
		case p.hurry <- struct{}{}:
		default:
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

// Close ends the projection and waits for its goroutines.
func (p *StreamProjector) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.wg.Wait()
	if !first {
		return nil
	}
	var errs error
	for _, s := range p.subs {
		if err := s.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// run is the loop. It ends with p.ctx.
func (p *StreamProjector) run(status chan nats.Status) {
	defer p.cfg.NATS.RemoveStatusListener(status)
	defer p.unwatch()
	p.findBuckets()
	p.compare.all()
	tick := time.NewTicker(ProjectCheck)
	defer tick.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	resting := false
	for p.ctx.Err() == nil {
		if !resting || p.waitingChanges() >= ProjectBatch {
			if resting = p.takeBatch(); resting {
				pause.Reset(ProjectPause)
			}
		}
		p.putRight()
		select {
		case <-p.ctx.Done():
		case <-pause.C:
			resting = false
		case <-p.hurry:
			resting = false
		case m := <-p.acks:
			p.acked(m)
		case <-p.queue.ready:
		case now := <-tick.C:
			p.check(now)
		case <-p.notices.ready:
			p.noticed()
		case r := <-p.repairs:
			p.repair(r)
		case _, open := <-status:
			if !open {
				status = nil
				continue
			}
			p.reconnected()
		}
	}
}

// takeBatch takes up and sends what waits, and tells whether there was anything.
func (p *StreamProjector) takeBatch() (any bool) {
	for range ProjectBatch {
		r, ok := p.queue.take()
		if !ok {
			break
		}
		any = true
		p.project(r)
	}
	p.sendBatch()
	return any
}

// waitingChanges is how many changes nobody has taken up yet.
func (p *StreamProjector) waitingChanges() int { return int(p.changes.Load()) - p.inFlight }
