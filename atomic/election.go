package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Election has one leader at a time among the sessions that campaign; when it
// resigns, or its session ends, the one who has waited longest leads. The
// leader proclaims a value, say its address, which everybody may read and
// observe. Safe for concurrent use.
type Election struct {
	conn *bus.Conn
	name string
}

// OpenElection returns the election of a name, 1 to MaxName bytes of UTF-8; it
// sends nothing.
//
// Errors: ErrInvalidName.
func OpenElection(c *bus.Conn, name string) (*Election, error) {
	return &Election{c, name}, checkName(name)
}

// Campaign waits until the session leads. Who follows it reads value, at most
// MaxProclamation bytes, from the first moment on.
//
// Errors: those of Lock.Lock; CodeTooLarge.
func (e *Election) Campaign(ctx context.Context, s *kvbucket.Session, value []byte) (*Leadership, error) {
	in, err := newInLine(s, lineElection, e.name, 0)
	if err != nil {
		return nil, err
	}
	r := in.request()
	r.Value = value
	if err := r.check(); err != nil {
		return nil, err
	}
	g, _, err := in.acquire(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Leadership{g}, nil
}

// Leadership is held by the leader of an election. Its Release resigns.
type Leadership struct{ *Grant }

// Proclaim changes the value that the leader proclaims, at most
// MaxProclamation bytes. The fence stays.
//
// Errors: ErrLost when it leads no more; CodeTooLarge; those of bus.Conn.Call.
func (l *Leadership) Proclaim(ctx context.Context, value []byte) error {
	in := &proclaimRequest{place: l.place, Value: value}
	if err := in.check(); err != nil {
		return err
	}
	return l.session.Conn().Call(ctx, verbProclaim, in, nil)
}

// Leader is who leads, and what it proclaims.
type Leader struct {
	Owner    string // id of its session; empty: nobody leads
	Value    []byte // that it proclaims
	Fence    uint64 // of its leadership
	Revision uint64 // since when this is so, or as of which it was read
}

// Leader reads who leads.
//
// Errors: ErrNoLeader; those of bus.Conn.Call.
func (e *Election) Leader(ctx context.Context) (Leader, error) {
	l, err := e.leader(ctx)
	if err == nil && l.Owner == "" {
		err = errNoLeader(e.name)
	}
	return l, err
}

func (e *Election) leader(ctx context.Context) (Leader, error) {
	var a leaderAnswer
	err := e.conn.Call(ctx, verbLeader, &leaderRequest{e.name}, &a, bus.Read())
	return Leader{Owner: a.Owner, Value: a.Value, Fence: a.Fence, Revision: a.Revision}, err
}

// Observer follows an election. One goroutine calls Next at a time.
type Observer struct {
	now     Leader
	begun   bool
	watch   *kvbucket.Watch
	elected string // key of the leadership
}

// Observe follows who leads and what it proclaims: first as it is now, then
// each change in order, none left out (TestElectionObserve). It ends with
// Close, which must be called.
//
// Errors: those of bus.Conn.Call.
func (e *Election) Observe(ctx context.Context) (*Observer, error) {
	b, err := kvbucket.Open(e.conn, LockBucket)
	if err != nil {
		return nil, err
	}
	now, err := e.leader(ctx)
	if err != nil {
		return nil, err
	}
	o := &Observer{now: now, elected: string(lineElection) + "." + e.name}
	o.watch, err = b.Watch(ctx, kvbucket.Keys(o.elected, leaderPrefix+e.name), kvbucket.Since(now.Revision+1))
	return o, err
}

// Next returns the next leader or proclamation; an empty Owner: nobody leads.
//
// Errors: those of kvbucket.Watch.Next.
func (o *Observer) Next(ctx context.Context) (Leader, error) {
	for o.begun {
		ev, err := o.watch.Next(ctx)
		if err != nil {
			return Leader{}, err
		}
		if o.take(ev.Entry) {
			return o.now, nil
		}
	}
	o.begun = true
	return o.now, nil
}

// take takes up a change. What is proclaimed comes behind the leadership, in
// the same transaction: it completes the picture.
func (o *Observer) take(e *kvbucket.Entry) bool {
	switch {
	case e == nil:
		return false
	case e.Op != bus.OpPut:
		o.now = Leader{Revision: e.Revision}
	case e.Key == o.elected:
		o.now.Fence = e.Revision
	default:
		o.now = Leader{Owner: e.Owner, Value: e.Value, Fence: o.now.Fence, Revision: e.Revision}
	}
	return e.Key != o.elected
}

// Close ends the observer. It may be called while Next waits.
func (o *Observer) Close() error { return o.watch.Close() }
