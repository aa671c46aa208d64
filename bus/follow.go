package bus

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Defaults of a FollowConfig.
const (
	DefaultMaxEvents = 4096
	DefaultMaxBytes  = 64 << 20
	DefaultCheck     = 4 * time.Second
)

// FromNow is the revision that a follower replays from to learn only which
// revision is the newest: nothing is above it.
const FromNow uint64 = math.MaxUint64

// FollowConfig says what to follow and from where.
type FollowConfig struct {
	Bucket string // Required.

	// Subject is the feed of the bucket or the subject of one key. Subjects of
	// more keys are refused: their messages do not chain. Default: the feed.
	Subject string

	From  uint64 // first revision wanted, inclusive. Default: 1.
	Now   bool   // from the revision at the call of Follow on; From does not count.
	Start bool   // from the oldest revision there is; From does not count.

	// Replay reads the changes of the subject from a revision on, whole
	// transactions, as a page of the host. It is asked for FromNow, too, and
	// returns a page without changes then. It is called by one Next at a time.
	// Required.
	Replay func(ctx context.Context, from uint64) (*Page, error)

	// Match says which changes are wanted. It is called once for each change,
	// by Next. Default: all.
	Match func(*Change) bool

	// Progress also returns batches without changes, which tell that every
	// change up to their revision has been returned.
	Progress bool

	MaxEvents int           // changes buffered. Default: 4096.
	MaxBytes  int64         // bytes buffered. Default: 64 MiB.
	Check     time.Duration // a quiet follower asks after it. Default: 4s, at most a quarter less.
}

func (c *FollowConfig) validate(n Names) error {
	if c.Bucket == "" || c.Replay == nil {
		return NewError(CodeUsage, "a follower needs a bucket and a replay")
	}
	if c.Subject == "" {
		c.Subject = n.Feed(c.Bucket)
	}
	if strings.ContainsAny(c.Subject, "*>") || strings.HasPrefix(c.Subject, n.Namespace+".event.") {
		return NewError(CodeUsage, "messages on %q do not chain", c.Subject).WithHint("follow the feed of the bucket and filter")
	}
	if c.MaxEvents <= 0 {
		c.MaxEvents = DefaultMaxEvents
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Check <= 0 {
		c.Check = DefaultCheck
	}
	if c.From == 0 || c.Start {
		c.From = 1
	}
	return nil
}

// Batch is what Next returns: one transaction, or a mark.
type Batch struct {
	// Changes are those of one transaction that match. They are shared, the slice
	// is the caller's. One that is kept may keep a few others in memory, at most
	// some KiB.
	Changes  []*Change
	CaughtUp bool   // the mark, once: everything there was at the start has been returned
	Revision uint64 // of the transaction; with a mark: everything up to it has been returned
}

// Follower reads the changes of a subject: in commit order, no gap, none
// twice, transactions whole, "caught up" once (TestFollowerModel). It repairs
// itself by reading pages: when a message does not join on, on a new epoch,
// after a reconnect, when messages were dropped, and when it has been quiet.
//
// It has no goroutine of its own but the subscription's, which fills a bounded
// buffer; Next does the rest at the reader's pace.
type Follower struct {
	conn   *Conn
	cfg    FollowConfig
	single bool // the subject is one key's
	sub    *nats.Subscription
	live   *live
	poke   chan struct{}
	ctx    context.Context // ends in Close
	cancel context.CancelFunc
	ended  chan struct{} // closed when the subscription's goroutine ends
	finish func()        // closes ended, once

	turn chan struct{} // holds an element while a Next runs; guards what follows
	followState
}

// Follow subscribes to what cfg says and, for Now, asks for the revision; it
// returns when the server has the subscription, so no later change is missed.
//
// Errors: CodeUsage; ErrUnreachable or the end of ctx if the server or the host
// does not answer; ErrClosed.
func (c *Conn) Follow(ctx context.Context, cfg FollowConfig) (*Follower, error) {
	if err := cfg.validate(c.names); err != nil {
		return nil, err
	}
	if c.link == nil {
		return nil, NewError(CodeUsage, "following needs a NATS connection")
	}
	f := &Follower{conn: c, cfg: cfg, single: cfg.Subject != c.names.Feed(cfg.Bucket),
		live: newLive(cfg.MaxEvents, cfg.MaxBytes), poke: make(chan struct{}, 1),
		ended: make(chan struct{}), turn: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.finish = sync.OnceFunc(func() { close(f.ended) })
	f.begin(cfg.From)
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.RequestTimeout, ErrUnreachable)
	defer cancel()
	err := f.start(ctx)
	if err == nil {
		err = c.adopt(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// adopt makes the connection's Close end f.
func (c *Conn) adopt(f *Follower) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.followers[f] = struct{}{}
	return nil
}

func (c *Conn) release(f *Follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.followers, f)
}

func (f *Follower) start(ctx context.Context) error {
	if _, err := f.conn.link.await(ctx); err != nil {
		return err
	}
	if err := f.subscribe(); err != nil {
		return err
	}
	for f.settled == 0 {
		if err := f.settle(ctx); err != nil {
			return err
		}
	}
	if !f.cfg.Now {
		return nil
	}
	p, err := f.cfg.Replay(ctx, FromNow)
	if err != nil {
		return err
	}
	f.chain = chain{known: p.Revision, epoch: p.Epoch, incarnation: p.Incarnation, begun: true}
	f.told, f.level, f.repairing = p.Revision, true, false
	f.postpone()
	return nil
}

func (f *Follower) subscribe() error {
	sub, err := f.conn.cfg.NATS.Subscribe(f.cfg.Subject, f.receive)
	if err != nil {
		return NewError(CodeUnreachable, "subscribe to %s: %v", f.cfg.Subject, err)
	}
	f.sub, f.slow = sub, sub.StatusChanged(nats.SubscriptionSlowConsumer)
	sub.SetClosedHandler(func(string) { f.finish() })
	if !sub.IsValid() {
		f.finish() // it was closed before it had the handler
	}
	return sub.SetPendingLimits(f.cfg.MaxEvents, int(f.cfg.MaxBytes))
}

// receive runs on the subscription's goroutine.
func (f *Follower) receive(m *nats.Msg) {
	if f.live.isLost() {
		return
	}
	feed, err := f.decode(m)
	if err != nil {
		f.conn.cfg.Logger.Warn("a message that cannot be read is replaced by a replay", "subject", m.Subject, "err", err)
		f.live.drop()
		return
	}
	f.live.push(received{feed, int64(len(m.Data))})
}

func (f *Follower) decode(m *nats.Msg) (*Feed, error) {
	if f.single {
		return singleFeed(f.cfg.Bucket, m)
	}
	feed := new(Feed)
	if !feed.open(m.Data) { // Unmarshal would check the bytes first, once more
		if err := Unmarshal(m.Data, feed); err != nil {
			return nil, err
		}
	}
	if !inOrder(feed.Changes, math.MaxUint64) {
		return nil, NewError(CodeMalformed, "a feed message that is not in commit order")
	}
	return feed, nil
}

// singleFeed makes a single event of one key a feed of that key.
func singleFeed(bucket string, m *nats.Msg) (*Feed, error) {
	c, err := ChangeFromMsg(bucket, m)
	if err != nil {
		return nil, err
	}
	r := headerReader{h: m.Header}
	feed := &Feed{Incarnation: r.uint(HeaderIncarnation), Epoch: r.uint(HeaderEpoch), Previous: c.Previous, Changes: []*Change{c}}
	return feed, r.err
}

// Refresh makes the follower ask the host at once, as it does when it has
// been quiet for Check. It does not wait.
func (f *Follower) Refresh() {
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// Close ends the subscription and waits for its goroutine; a Next that waits
// returns ErrClosed. It may be called more than once.
func (f *Follower) Close() error {
	f.cancel()
	if f.sub != nil {
		// It fails if it is not the first or the connection is closed: then the
		// subscription has ended all the same.
		_ = f.sub.Unsubscribe()
		<-f.ended
	}
	f.conn.release(f)
	return nil
}
