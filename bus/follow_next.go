package bus

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

// followState is what Next works on. Whoever holds the follower's turn owns it.
type followState struct {
	chain     chain
	pending   []*Change // joined on, not returned yet
	repairing bool      // pages are to be read before the next live message
	level     bool      // there has been a last page
	caughtUp  bool      // the mark has been returned
	told      uint64    // revision of the last batch
	gap       *Feed     // message that did not join on when it was last offered
	fruitless bool      // a repair has not helped it: the host is behind its feed
	settled   uint64    // the link's count of connections that has the subscription
	checkAt   time.Time
	timer     *time.Timer
	slow      <-chan nats.SubStatus
	err       error // how it has ended
}

func (s *followState) begin(from uint64) {
	s.chain.known, s.told, s.repairing = from-1, from-1, true
	s.timer = time.NewTimer(time.Hour)
	s.timer.Stop()
}

// Next returns the next batch; it waits for one until ctx ends. An end of ctx
// loses nothing: the next call goes on. One goroutine calls it at a time,
// others wait for their turn.
//
// Errors: ErrCompacted when changes that are wanted are gone, or the store has
// begun a new incarnation; what the host refuses; ErrClosed. These end the
// follower: later calls return the same. Besides them the cause of ctx.
func (f *Follower) Next(ctx context.Context) (Batch, error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return Batch{}, context.Cause(ctx)
	case <-f.ctx.Done():
		return Batch{}, ErrClosed
	}
	defer func() { <-f.turn }()
	for {
		if err := f.over(ctx); err != nil {
			return Batch{}, err
		}
		if b, ok := f.ready(); ok {
			return b, nil
		}
		if err := f.advance(ctx); err != nil {
			return Batch{}, err
		}
	}
}

func (f *Follower) over(ctx context.Context) error {
	select {
	case <-f.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	default:
		return nil
	}
}

// ready returns a batch that needs no more input.
func (f *Follower) ready() (Batch, bool) {
	for len(f.pending) > 0 {
		var t []*Change
		t, f.pending = transaction(f.pending)
		revision := t[0].Revision
		if t = f.wanted(t); len(t) > 0 {
			f.told = revision
			return Batch{Changes: t, Revision: revision}, true
		}
	}
	if f.level && !f.caughtUp {
		f.caughtUp, f.told = true, f.chain.known
		return Batch{CaughtUp: true, Revision: f.told}, true
	}
	if f.cfg.Progress && f.told < f.chain.known {
		f.told = f.chain.known
		return Batch{Revision: f.told}, true
	}
	return Batch{}, false
}

func (f *Follower) wanted(t []*Change) []*Change {
	if f.cfg.Match == nil {
		return t
	}
	kept := t[:0]
	for _, c := range t {
		if f.cfg.Match(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// advance takes one step: a page, a live message, or a wait.
func (f *Follower) advance(ctx context.Context) error {
	link := f.conn.link.state()
	switch {
	case f.err != nil:
		return f.err
	case link.closed:
		return ErrClosed
	case f.repairing, link.joined != f.settled, f.live.isLost():
		return f.repair(ctx)
	}
	if r, ok := f.live.take(); ok {
		f.judge(r)
		return nil
	}
	return f.wait(ctx, link)
}

func (f *Follower) judge(r received) {
	fresh, v := f.chain.offer(r.feed)
	switch v {
	case joined:
		f.pending, f.gap = fresh, nil
		f.conn.Observe(f.chain.known, r.feed.clock(), r.feed.Incarnation)
		f.postpone()
	case gapped:
		f.live.putBack(r)
		f.fruitless, f.gap, f.repairing = f.gap == r.feed, r.feed, true
	}
}

// clock is that of the feed's last change.
func (f *Feed) clock() uint64 {
	if n := len(f.Changes); n > 0 {
		return f.Changes[n-1].Clock
	}
	return 0
}

// repair reads one page from what is known on.
func (f *Follower) repair(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	if f.fruitless {
		f.fruitless = false
		return f.pause(ctx)
	}
	if f.conn.link.state().joined != f.settled {
		return f.settle(ctx)
	}
	f.repairing = true
	f.live.resume()
	p, err := f.cfg.Replay(ctx, f.chain.known+1)
	if err != nil {
		return f.failed(ctx, err)
	}
	fresh, more, err := f.chain.page(p)
	if err != nil {
		f.err = err
		return err
	}
	f.pending, f.repairing = fresh, more
	f.level = f.level || !more
	f.postpone()
	return nil
}

// failed decides what an error of Replay means: go on later, or the end.
func (f *Follower) failed(ctx context.Context, err error) error {
	if over := f.over(ctx); over != nil {
		return over
	}
	var e *Error
	if !errors.As(err, &e) && !errors.Is(err, context.DeadlineExceeded) {
		f.err = err
		return err
	}
	switch CodeOf(err) {
	case CodeCompacted:
		if f.cfg.Start && !f.chain.begun && e.Revision > f.chain.known+1 {
			f.chain.known, f.told = e.Revision-1, e.Revision-1
			return nil
		}
	case CodeUnreachable, CodeTimeout, CodeNotActive, CodeOverloaded:
		return f.pause(ctx)
	}
	f.err = err
	return err
}

// settle waits until the server has the subscription on the connection there is.
func (f *Follower) settle(ctx context.Context) error {
	s, err := f.conn.link.await(ctx)
	if err != nil {
		return f.overOr(err)
	}
	if s.closed {
		return ErrClosed
	}
	flush, cancel := context.WithTimeout(ctx, f.conn.cfg.TryTimeout)
	defer cancel()
	defer context.AfterFunc(s.session, cancel)()
	if err := f.conn.cfg.NATS.FlushWithContext(flush); err != nil {
		return f.pause(ctx)
	}
	f.settled, f.repairing = s.joined, true
	return nil
}

// wait returns when there may be something to do.
func (f *Follower) wait(ctx context.Context, link linkState) error {
	f.timer.Reset(time.Until(f.checkAt))
	defer f.timer.Stop()
	select {
	case <-f.live.ready:
	case <-link.changed:
	case _, ok := <-f.slow:
		f.dropped(ok)
	case <-f.poke:
		f.repairing = true
	case <-f.timer.C:
		f.repairing = true
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.ctx.Done():
		return ErrClosed
	}
	return nil
}

// dropped handles a slow-consumer notice; !ok is the end of the notices.
func (f *Follower) dropped(ok bool) {
	if !ok {
		f.slow = nil
		return
	}
	f.repairing = true
}

// postpone sets when a quiet follower asks; followers that began together
// drift apart.
func (f *Follower) postpone() {
	f.checkAt = time.Now().Add(f.cfg.Check - rand.N(f.cfg.Check/4+1))
}

func (f *Follower) pause(ctx context.Context) error {
	t := time.NewTimer(pauseLength())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return f.overOr(context.Cause(ctx))
	case <-f.ctx.Done():
		return ErrClosed
	}
}

// overOr returns ErrClosed after Close, else err: Close ends contexts too.
func (f *Follower) overOr(err error) error {
	select {
	case <-f.ctx.Done():
		return ErrClosed
	default:
		return err
	}
}
