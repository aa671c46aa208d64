package engine

import (
	"context"
	"errors"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// MaxWait bounds how long a request may ask to be held.
	MaxWait = 10 * time.Second
	// MaxLater bounds a Later: a caller asks again when nothing comes for longer.
	MaxLater = time.Second
)

// overloadPause is when a request that found the queue full is sent again.
const overloadPause = 50 * time.Millisecond

// View is what a read sees: one snapshot, and how to wait for the next.
type View struct {
	*Snapshot
	User  string
	Clock uint64 // Lamport clock of the request; 0 for none
	e     *Engine
}

// Names gives the subjects of the namespace.
func (v *View) Names() bus.Names { return v.e.names }

// Engine is the engine behind the view.
func (v *View) Engine() *Engine { return v.e }

// Await returns the newest snapshot once a change of the key with a revision
// above after is in it, or ctx has ended. It is how a caller waits at the
// host instead of asking again.
func (v *View) Await(ctx context.Context, bucket, key string, after uint64) (*View, error) {
	ch, cancel := v.e.waiters.key(bucket, key)
	defer cancel()
	return v.await(ctx, ch, func(s *Snapshot) bool { return s.changedSince(bucket, key, after) })
}

// AwaitRevision returns the newest snapshot once its revision is at least rev.
func (v *View) AwaitRevision(ctx context.Context, rev uint64) (*View, error) {
	ch, cancel := v.e.waiters.revision(rev)
	defer cancel()
	return v.await(ctx, ch, func(s *Snapshot) bool { return s.revision >= rev })
}

func (v *View) await(ctx context.Context, ch <-chan struct{}, is func(*Snapshot) bool) (*View, error) {
	for {
		s := v.e.Snapshot()
		if is(s) {
			return &View{Snapshot: s, User: v.User, Clock: v.Clock, e: v.e}, nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-v.e.ctx.Done():
			return nil, bus.ErrClosed
		}
	}
}

// changedSince tells whether the key's newest change is above a revision.
func (s *Snapshot) changedSince(bucket, key string, after uint64) bool {
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return false
	}
	sl := k.slot(key)
	return sl != nil && sl.cur.Revision > after
}

// View returns the newest snapshot for a user.
func (e *Engine) View(user string) *View { return &View{Snapshot: e.Snapshot(), User: user, e: e} }

// Submit executes a request and calls done exactly once with the answer, at
// once or later, from any goroutine; done must not block.
func (e *Engine) Submit(user, name string, req *bus.Request, done func(*bus.Response)) {
	v, ok := e.verbs[name]
	switch {
	case !ok:
		done(e.refusal(bus.NewError(bus.CodeUsage, "unknown request %q", name).WithHint("client and host are of different versions: compare lwj version")))
	case v.read != nil:
		e.read(user, v.read, req, done)
	default:
		e.write(user, v.proc, req, done)
	}
}

// Call is Submit for a caller that waits; nil when ctx ended before the
// answer. It makes the engine a bus.Caller.
func (e *Engine) Call(ctx context.Context, user, name string, req *bus.Request) *bus.Response {
	ch := make(chan *bus.Response, 1)
	e.Submit(user, name, req, func(r *bus.Response) { ch <- r })
	select {
	case r := <-ch:
		return r
	case <-ctx.Done():
		return nil
	}
}

func (e *Engine) read(user string, r *Read, req *bus.Request, done func(*bus.Response)) {
	if r.Waits {
		patience := min(time.Duration(req.Wait)*time.Millisecond, MaxWait)
		e.aside(patience, done, func(ctx context.Context) *bus.Response {
			out, _, err := e.runRead(ctx, user, r, req)
			return e.readAnswer(e.Snapshot(), req, out, err) // it may have read a newer one than it began with
		})
		return
	}
	out, v, err := e.runRead(e.ctx, user, r, req)
	if later, ok := out.(Later); ok && err == nil {
		e.aside(MaxLater, done, func(ctx context.Context) *bus.Response {
			out, err := later(ctx)
			return e.readAnswer(v.Snapshot, req, out, err)
		})
		return
	}
	done(e.readAnswer(v.Snapshot, req, out, err))
}

// aside answers a read that waits, in a goroutine of its own.
func (e *Engine) aside(patience time.Duration, done func(*bus.Response), answer func(context.Context) *bus.Response) {
	if e.waiting.Add(1) > MaxWaiting {
		e.waiting.Add(-1)
		done(e.refusal(bus.ErrOverloaded))
		return
	}
	if !e.queue.enter(&e.wg) {
		e.waiting.Add(-1)
		done(e.refusal(bus.ErrClosed))
		return
	}
	go func() { // ends with its deadline or the engine; Close waits
		defer e.wg.Done()
		defer e.waiting.Add(-1)
		ctx, cancel := context.WithTimeout(e.ctx, patience)
		defer cancel()
		done(answer(ctx))
	}()
}

func (e *Engine) runRead(ctx context.Context, user string, r *Read, req *bus.Request) (out any, v *View, err error) {
	v = e.View(user)
	v.Clock = req.Clock
	out, err = r.Run(ctx, v, req.Body)
	return out, v, err
}

// readAnswer is the answer of a read that saw a snapshot.
func (e *Engine) readAnswer(s *Snapshot, req *bus.Request, out any, err error) *bus.Response {
	if err != nil {
		return e.refusal(err)
	}
	body, err := bus.Marshal(out)
	if err == nil {
		err = e.checkAnswer(body)
	}
	if err != nil {
		return e.refusal(err)
	}
	return &bus.Response{Revision: s.revision, Incarnation: s.Incarnation, Epoch: s.Epoch, Clock: req.Clock, Body: body}
}

// checkAnswer refuses an answer that no message takes.
func (e *Engine) checkAnswer(body []byte) error {
	if n := e.maxAnswer(); len(body) > n {
		return bus.NewError(bus.CodeTooLarge, "the answer has %d bytes; at most %d fit in a message", len(body), n).WithHint("ask for less at a time")
	}
	return nil
}

// maxAnswer is the most bytes an answer may have: a page of a replay is larger
// than the record of its last transaction (TestReplayOfLargeTransaction). The
// server that takes the largest record takes messages of bus.MaxMessage.
func (e *Engine) maxAnswer() int {
	if n := e.cfg.Log.MaxRecord(); n < MaxRecordBytes {
		return n
	}
	return bus.MaxMessage - RecordReserve
}

func (e *Engine) write(user string, p *Procedure, req *bus.Request, done func(*bus.Response)) {
	if err := e.refuse.Load(); err != nil {
		done(e.refusal(err))
		return
	}
	in, err := p.Decode(req.Body)
	if err != nil {
		done(e.refusal(err))
		return
	}
	r := &request{proc: p, in: in, user: user, base: req.Base, clock: req.Clock, size: len(req.Body), done: done}
	if req.Wait > 0 {
		r.patience = time.Now().Add(min(time.Duration(req.Wait)*time.Millisecond, MaxWait))
	}
	if len(req.ID) == len(r.id) {
		r.id, r.again = requestID(req.ID), true
	}
	if err := e.queue.push(r); err != nil {
		done(e.refusal(err))
	}
}

// refusal is the answer to a request that was not done.
func (e *Engine) refusal(err error) *bus.Response {
	r := &bus.Response{Error: wireError(err)}
	if r.Error.Code == bus.CodeClosed { // the next host answers
		r.Error = bus.NewError(bus.CodeNotActive, "the host is stopping")
	}
	if r.Error.Code == bus.CodeOverloaded {
		r.Retry = overloadPause.Milliseconds()
	}
	if s := e.view.Load(); s != nil {
		r.Revision, r.Incarnation, r.Epoch = s.revision, s.Incarnation, s.Epoch
	}
	return r
}

// wireError makes any error one that can travel.
func wireError(err error) *bus.Error {
	var e *bus.Error
	if errors.As(err, &e) {
		return e
	}
	return bus.NewError(bus.CodeInternal, "%v", err)
}
