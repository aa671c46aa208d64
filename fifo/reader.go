package fifo

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// ReaderOption changes a reader.
type ReaderOption func(*Reader)

// UntilWritersClose has the reader get io.EOF when the pipe is empty and the
// last of its writers has closed; also when that was before the reader was
// opened. Of a pipe that never had a writer it waits for one.
func UntilWritersClose() ReaderOption { return func(r *Reader) { r.until = true } }

// AutoAck acknowledges items before they are returned: each is returned at most
// once, and lost with whoever got it.
func AutoAck() ReaderOption { return func(r *Reader) { r.auto = true } }

// WithSession sets how the reader's session is held.
func WithSession(cfg kvbucket.SessionConfig) ReaderOption { return func(r *Reader) { r.cfg = cfg } }

// Reader is a consumer of a pipe. What it was handed is its own until it is
// acknowledged, for at most the pipe's AckWait and no longer than the reader's
// session, which Close ends. Safe for concurrent use. It has two goroutines,
// which Close waits for.
type Reader struct {
	pipe        *Pipe
	lane        lane
	until, auto bool
	cfg         kvbucket.SessionConfig
	session     *kvbucket.Session

	ctx    context.Context // ends with the session; the cause is why
	cancel context.CancelCauseFunc
	watch  sync.WaitGroup
}

// Reader opens a reader.
//
// Errors: those of kvbucket.OpenSession.
func (p *Pipe) Reader(ctx context.Context, opts ...ReaderOption) (*Reader, error) {
	return p.reader(ctx, mainLane, opts)
}

// Dead opens a reader of the dead letters: items that were handed out
// Config.MaxDeliver times. They are handed out in the order in which they were
// given up, as often as it takes.
//
// Errors: as Reader.
func (p *Pipe) Dead(ctx context.Context, opts ...ReaderOption) (*Reader, error) {
	return p.reader(ctx, deadLane, opts)
}

func (p *Pipe) reader(ctx context.Context, l lane, opts []ReaderOption) (*Reader, error) {
	r := &Reader{pipe: p, lane: l}
	for _, set := range opts {
		set(r)
	}
	var err error
	if r.session, err = kvbucket.OpenSession(ctx, p.conn, r.cfg); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.watch.Go(func() { // ends with the session
		<-r.session.Lost()
		r.cancel(r.session.Err())
	})
	return r, nil
}

// Session is what keeps the reader: Lost is closed when it ends, and with it
// everything the reader holds is handed back.
func (r *Reader) Session() *kvbucket.Session { return r.session }

// Close closes the reader. What it holds goes back to the front of the pipe,
// in its order. Whoever waits in Get hears bus.ErrClosed. It may be called more
// than once.
//
// Errors: as kvbucket.Session.Close.
func (r *Reader) Close() error {
	err := r.session.Close()
	r.watch.Wait()
	return err
}

// Get returns the first item as soon as there is one. Of those who wait the
// first to come is the first to get.
//
// Errors: io.EOF when the pipe is closed, or with UntilWritersClose its writers
// are, and every item was acknowledged, but for those that this reader holds;
// bus.ErrTimeout with the cause when the deadline of ctx passed; the cause when
// ctx was canceled; ErrRemoved; ErrNoOwner when the session has ended, and
// bus.ErrClosed after Close; those of bus.Conn.Call. Whoever gets an error has
// no item.
func (r *Reader) Get(ctx context.Context) (*Item, error) { return only(r.GetN(ctx, 1)) }

// GetN returns at least one item and at most n, 1 to MaxBatch, as many as are
// there and have MaxBatchBytes together: what is returned at once is put,
// acknowledged and returned much faster than one by one.
//
// Errors: as Get.
func (r *Reader) GetN(ctx context.Context, n int) ([]*Item, error) { return r.get(ctx, n, true) }

// TryGet is Get without a wait.
//
// Errors: ErrEmpty when nothing is there, also when others hold items that may
// come back; those of Get.
func (r *Reader) TryGet(ctx context.Context) (*Item, error) { return only(r.TryGetN(ctx, 1)) }

// TryGetN is GetN without a wait.
//
// Errors: as TryGet.
func (r *Reader) TryGetN(ctx context.Context, n int) ([]*Item, error) { return r.get(ctx, n, false) }

func only(items []*Item, err error) (*Item, error) {
	if err != nil {
		return nil, err
	}
	return items[0], nil
}

func (r *Reader) get(ctx context.Context, n int, wait bool) ([]*Item, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	defer stop()
	for {
		if err := r.session.Err(); err != nil {
			return nil, err
		}
		items, err := r.claim(ctx, n, wait)
		switch {
		case errors.Is(err, ErrClosed):
			return nil, io.EOF
		case errors.Is(err, ErrNoOwner) && r.session.Err() != nil:
			return nil, r.session.Err() // it says more
		case err != nil:
			return nil, err
		case len(items) == 0:
			continue // an answer that came so late that they were handed back
		case !r.auto:
			return items, nil
		}
		switch err := r.Ack(context.WithoutCancel(ctx), items...); {
		case err == nil:
			return items, nil
		case !errors.Is(err, ErrNotHeld): // else they were handed back meanwhile
			return nil, err
		}
	}
}

// claim asks once for items.
func (r *Reader) claim(ctx context.Context, n int, wait bool) ([]*Item, error) {
	in := getRequest{
		pipeRequest: r.pipe.pipeRequest, Owner: r.session.ID(), Token: r.session.Token(), Lane: r.lane, Most: n, Until: r.until,
	}
	var a getAnswer
	var err error
	if wait {
		in.Call = rand.Uint64()
		w := waiting{
			pipe: r.pipe, verb: verbGet, in: &in, out: &a, not: ErrEmpty,
			giveUp: giveUpRequest{pipeRequest: in.pipeRequest, Call: in.Call, Get: true, Lane: r.lane},
		}
		err = w.do(ctx)
	} else {
		err = r.pipe.conn.Call(ctx, verbGet, &in, &a)
	}
	if err != nil {
		return nil, err
	}
	return r.items(&a), nil
}

// request is an acknowledgement of the reader's.
func (r *Reader) request(claim uint64, how verdict) *ackRequest {
	return &ackRequest{
		pipeRequest: r.pipe.pipeRequest, Owner: r.session.ID(), Token: r.session.Token(), Lane: r.lane, Claim: claim, How: how,
	}
}
