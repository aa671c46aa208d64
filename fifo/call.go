package fifo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// giveUpTime is how long a call whose context has ended waits for the host's
	// word on whether it was done.
	giveUpTime = 2 * time.Second
	// crowdedPause is how long a call pauses that the host did not hold, because
	// it holds too many.
	crowdedPause = 100 * time.Millisecond
)

// waiting is a call that is held at the host until it can be done. When its
// context ends, the host is told to give it up: so the caller learns whether it
// was done.
type waiting struct {
	pipe   *Pipe
	verb   string
	in     any
	out    any
	not    error // what the host answers when it was not done
	giveUp giveUpRequest
}

// do asks until it was done, or ctx ends.
func (w *waiting) do(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return w.over(ctx)
		}
		began, hold := time.Now(), patience(ctx)
		if err := w.ask(ctx, hold); !errors.Is(err, w.not) {
			return err
		}
		if time.Since(began) < min(hold, crowdedPause) {
			pause(ctx, crowdedPause)
		}
	}
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// ask makes one call, at most bus.MaxWait long. It outlives ctx, by as much as
// it takes to end it in order.
func (w *waiting) ask(ctx context.Context, hold time.Duration) error {
	call, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	returned, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // ends at the latest when the call does, which waits for it
		defer close(ended)
		w.end(call, returned)
		abort(context.Cause(ctx))
	})
	err := w.pipe.conn.Call(call, w.verb, w.in, w.out, bus.Wait(hold))
	close(returned)
	if !stop() {
		abort(nil)
		<-ended
	}
	return err
}

// end has the host give the call up, and returns when it has returned, or
// giveUpTime is over.
func (w *waiting) end(call context.Context, returned <-chan struct{}) {
	ctx, cancel := context.WithTimeout(call, giveUpTime)
	defer cancel()
	if w.pipe.conn.Call(ctx, verbGiveUp, &w.giveUp, nil) != nil {
		return // the host does not answer: it will not answer the call either
	}
	select {
	case <-returned:
	case <-ctx.Done():
	}
}

// patience is how long the host may hold one request.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), bus.MaxWait)
	}
	return bus.MaxWait
}

// over is the error of a wait whose context has ended.
func (w *waiting) over(ctx context.Context) error {
	what, cause := "put into", context.Cause(ctx)
	if w.giveUp.Get {
		what = "get from"
	}
	what = fmt.Sprintf("%s pipe %q", what, w.pipe.Name())
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w: %w", what, bus.ErrTimeout, cause)
	}
	return fmt.Errorf("%s: %w", what, cause)
}
