package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// MaxWait is the longest that a host holds a request.
const MaxWait = 10 * time.Second

// Pauses between two tries are drawn from this interval.
const (
	minPause = 20 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// CallOption changes one call.
type CallOption func(*call)

// Read marks a call that may be repeated without harm: it carries no request
// id, and fails with ErrUnreachable where a write's outcome would be unknown.
func Read() CallOption { return func(c *call) { c.read = true } }

// Wait lets the host hold the request up to d, at most MaxWait.
func Wait(d time.Duration) CallOption {
	return func(c *call) { c.wait = min(max(d, 0), MaxWait) }
}

// Revised stores the revision of the answer in rev, also that of a refusal.
func Revised(rev *uint64) CallOption { return func(c *call) { c.revised = rev } }

// Call asks the host to do verb with in, and decodes the result into out; a
// nil out takes none. A write carries a request id, which every retry repeats,
// so that the host executes it once (TestCallRetriesWithSameID). The call is
// tried until RequestTimeout, to which Wait adds, or the end of ctx, whichever
// is first, 20-100 ms apart.
//
// Errors: what the host refuses, as *Error. ErrUnknownOutcome if a write may
// have reached a host that did not answer (TestCallUnknownOutcome);
// ErrUnreachable for one that certainly did not, and for reads; both wrap the
// cause of the end of ctx. A call that ctx canceled before it was sent returns
// that cause alone. ErrClosed after Close.
func (c *Conn) Call(ctx context.Context, verb string, in, out any, opts ...CallOption) error {
	k := call{conn: c, verb: verb}
	for _, o := range opts {
		o(&k)
	}
	if err := k.encode(in); err != nil {
		return err
	}
	res, err := k.do(ctx)
	if err != nil {
		return err
	}
	if k.revised != nil {
		*k.revised = res.Revision
	}
	if res.Error != nil {
		return res.Error
	}
	if out == nil || len(res.Body) == 0 {
		return nil
	}
	return Unmarshal(res.Body, out)
}

// call is one Call and its tries.
type call struct {
	conn    *Conn
	verb    string
	read    bool
	wait    time.Duration
	revised *uint64

	ends    time.Time // by RequestTimeout
	req     Request
	payload []byte // req, encoded
	sends   int    // tries so far
	doubts  int    // tries with this id that a host may have executed without saying so
	last    error  // why the last try gave no answer
}

func (k *call) encode(in any) error {
	k.req.Wait = k.wait.Milliseconds()
	if in != nil {
		body, err := Marshal(in)
		if err != nil {
			return err
		}
		k.req.Body = body
	}
	return k.renew()
}

// renew makes the next try a request of its own, with a new id and base.
func (k *call) renew() error {
	if !k.read {
		id, err := uuid.NewRandom()
		if err != nil {
			return NewError(CodeInternal, "no random bytes for a request id: %v", err)
		}
		k.req.ID = id[:]
	}
	k.req.Base, k.req.Clock = k.conn.Revision(), k.conn.clock.Tick()
	var err error
	k.payload, err = Marshal(&k.req)
	return err
}

// do tries until there is an answer that ends the call.
func (k *call) do(ctx context.Context) (*Response, error) {
	k.ends = time.Now().Add(k.conn.cfg.RequestTimeout + k.wait)
	for {
		res, err := k.try(ctx)
		pause := pauseLength()
		if res != nil {
			k.conn.Observe(res.Revision, res.Clock, res.Incarnation)
			var again bool
			if pause, again, err = k.judge(res); err != nil || !again {
				return res, err
			}
			err = res.Error
		}
		if k.over(ctx) == nil || k.last == nil { // the end of the call says less than what came before it
			k.last = err
		}
		if final(err) {
			return nil, k.exhausted(ctx, err)
		}
		if err := k.pause(ctx, pause); err != nil {
			return nil, k.exhausted(ctx, err)
		}
	}
}

// over says why there is no time for another try; nil: there is.
func (k *call) over(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !time.Now().Before(k.ends) {
		return ErrTimeout
	}
	return nil
}

// patience is how long this try may take.
func (k *call) patience() time.Duration {
	return min(k.conn.cfg.TryTimeout+k.wait, time.Until(k.ends))
}

// judge says whether the answer asks for another try, and after which pause.
func (k *call) judge(res *Response) (pause time.Duration, again bool, err error) {
	switch CodeOf(asError(res.Error)) {
	case CodeNotActive:
		if res.Retry > 0 {
			k.doubts++ // it was in flight when the host stopped
		}
		return pauseLength(), true, nil
	case CodeOverloaded:
		return max(minPause, time.Duration(res.Retry)*time.Millisecond), res.Retry > 0, k.doubtful(res)
	case CodeFull:
		return 0, false, k.doubtful(res)
	case CodeUnknownOutcome:
		if k.doubts > 0 || k.read {
			return 0, false, nil
		}
		// The host refuses an id that it does not know under a base below its
		// floor. No earlier try can have been executed, so this was never.
		return pauseLength(), true, k.renew()
	}
	return 0, false, nil
}

// doubtful is the error of a refusal that a host gives before it looks whether
// it knows the id: an earlier try may have been executed.
func (k *call) doubtful(res *Response) error {
	if k.doubts == 0 || k.read || res.Retry > 0 {
		return nil
	}
	return NewError(CodeUnknownOutcome, "%s: %s; nobody can tell whether an earlier try was executed", k.verb, res.Error.Message).
		WithHint("%s", res.Error.Hint)
}

// asError keeps a nil *Error a nil error.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func (k *call) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(min(d, time.Until(k.ends)))
	defer t.Stop()
	select {
	case <-t.C:
		return k.over(ctx)
	case <-k.conn.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exhausted says how a call ended without an answer. why is what ended it:
// the end of its time, or a try that cannot be repeated.
func (k *call) exhausted(ctx context.Context, why error) error {
	if cause := context.Cause(ctx); cause != nil {
		why = cause
	}
	if k.doubts > 0 && !k.read {
		return fmt.Errorf("%s: %w after %d tries: %w (last: %w)", k.verb, ErrUnknownOutcome, k.sends, why, k.last)
	}
	if final(why) || errors.Is(why, context.Canceled) {
		return fmt.Errorf("%s: %w", k.verb, why)
	}
	if CodeOf(k.last) == CodeOverloaded {
		return fmt.Errorf("%s: %w", k.verb, k.last)
	}
	return fmt.Errorf("%s: %w: %w (last: %w)", k.verb, ErrUnreachable, why, k.last)
}

func pauseLength() time.Duration { return minPause + rand.N(maxPause-minPause) }

func (c *Conn) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
