package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// try sends the request once. Without an answer it counts whether the request
// may have been executed.
func (k *call) try(ctx context.Context) (*Response, error) {
	if d := k.conn.direct.Load(); d != nil {
		return k.tryDirect(ctx, *d)
	}
	return k.tryNetwork(ctx)
}

func (k *call) tryDirect(ctx context.Context, d Caller) (*Response, error) {
	if k.conn.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, k.patience(), ErrTimeout)
	defer cancel()
	k.sends++
	req := k.req
	if res := d.Call(ctx, k.conn.cfg.User, k.verb, &req); res != nil {
		return res, nil
	}
	k.doubts++
	return nil, NewError(CodeTimeout, "the host in this process gave no answer")
}

func (k *call) tryNetwork(ctx context.Context) (*Response, error) {
	l := k.conn.link
	if l == nil {
		return nil, NewError(CodeUnreachable, "the host in this process is gone and there is no NATS connection")
	}
	s, err := k.connected(ctx)
	if err != nil {
		return nil, err
	}
	ln, err := l.lanes.take()
	if err != nil {
		return nil, err
	}
	k.sends++
	m, err := k.ask(ctx, s, ln)
	if err != nil {
		l.lanes.drop(ln)
		return nil, k.unanswered(s, err)
	}
	l.lanes.keep(ln)
	return k.received(m)
}

// connected waits for the connection.
func (k *call) connected(ctx context.Context) (linkState, error) {
	s := k.conn.link.state()
	if !s.up && !s.closed {
		ctx, cancel := context.WithDeadline(ctx, k.ends)
		defer cancel()
		var err error
		if s, err = k.conn.link.await(ctx); err != nil {
			return s, NewError(CodeUnreachable, "not connected to a server")
		}
	}
	if s.closed || k.conn.isClosed() {
		return s, ErrClosed
	}
	return s, k.over(ctx)
}

// ask sends the request and waits for its answer.
func (k *call) ask(ctx context.Context, s linkState, ln *lane) (*nats.Msg, error) {
	c, reply := k.conn, ln.reply()
	if err := c.link.nc.PublishRequest(c.names.API(c.cfg.User, k.verb), reply, k.payload); err != nil {
		return nil, err
	}
	ln.timer.Reset(k.patience())
	defer ln.timer.Stop()
	for {
		select {
		case m := <-ln.answer:
			if m.Subject == reply {
				return m, nil
			}
		case <-ln.timer.C:
			return nil, ErrTimeout
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.session.Done():
			return nil, context.Canceled // unanswered says it better
		}
	}
}

// received takes up what came back: an answer, or the server's word that nobody
// listens.
func (k *call) received(m *nats.Msg) (*Response, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return nil, NewError(CodeUnreachable, "no host answers at the server")
	}
	res := new(Response)
	if err := Unmarshal(m.Data, res); err != nil {
		k.doubts++
		return nil, fmt.Errorf("answer to %s: %s: %w", k.verb, serviceError(m), err)
	}
	return res, nil
}

// unanswered counts the doubt that a try without an answer leaves.
func (k *call) unanswered(s linkState, err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return NewError(CodeTooLarge, "a request of %d bytes is over the server's limit", len(k.payload))
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrBadSubject):
		return err // refused before it was sent
	}
	k.doubts++
	if s.session.Err() != nil {
		return NewError(CodeUnreachable, "the connection broke before the answer came")
	}
	return err
}

// final reports whether a try failed so that repeating cannot help.
func final(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, nats.ErrBadSubject) || CodeOf(err) == CodeTooLarge
}

// serviceError is what a NATS micro service says beside its answer.
func serviceError(m *nats.Msg) string {
	if s := m.Header["Nats-Service-Error"]; len(s) > 0 {
		return s[0]
	}
	return "no response of ours"
}
