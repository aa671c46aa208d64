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
	ctx, cancel := context.WithTimeoutCause(ctx, k.conn.cfg.TryTimeout+k.wait, ErrTimeout)
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
	s, err := l.await(ctx)
	if err != nil {
		return nil, NewError(CodeUnreachable, "not connected to a server")
	}
	if s.closed || k.conn.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, k.conn.cfg.TryTimeout+k.wait, ErrTimeout)
	defer cancel()
	defer context.AfterFunc(s.session, cancel)()

	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	k.sends++
	m, err := l.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: k.conn.names.API(k.conn.cfg.User, k.verb), Data: k.payload})
	if err != nil {
		return nil, k.unanswered(s, err)
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
	case errors.Is(err, nats.ErrNoResponders):
		return NewError(CodeUnreachable, "no host answers at the server")
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
