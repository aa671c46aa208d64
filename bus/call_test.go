package bus

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func body(t *testing.T, v any) []byte {
	t.Helper()
	b, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCall(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	h := newFakeHost(t, nc, func(_ int, req *Request) *Response {
		return &Response{Revision: 7, Clock: 40, Incarnation: 2, Body: req.Body}
	})
	c := newConn(t, Config{NATS: nc})
	c.Observe(3, 0, 0)
	var out string
	var revision uint64
	if err := c.Call(testContext(t), "echo", "hello", &out, Revised(&revision), Wait(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if out != "hello" || revision != 7 || c.Revision() != 7 || c.Incarnation() != 2 || c.Clock().Now() <= 40 {
		t.Errorf("want hello at 7, incarnation 2, clock over 40, got %q at %d (%d), %d, %d", out, revision, c.Revision(),
			c.Incarnation(), c.Clock().Now())
	}
	req := h.seen()[0]
	if len(req.ID) != 16 || req.Base != 3 || req.Clock != 1 || req.Wait != MaxWait.Milliseconds() {
		t.Errorf("want an id, base 3, clock 1, wait %d, got %+v", MaxWait.Milliseconds(), req)
	}
	if err := c.Call(testContext(t), "echo", nil, nil, Read()); err != nil {
		t.Fatal(err)
	}
	if req := h.seen()[1]; len(req.ID) != 0 || req.Base != 7 {
		t.Errorf("want a read without id at base 7, got %+v", req)
	}
}

func TestCallReturnsRefusal(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	h := newFakeHost(t, nc, func(int, *Request) *Response {
		return &Response{Revision: 5, Error: NewError(CodeExists, "there").WithHint("no").WithRevision(4)}
	})
	c := newConn(t, Config{NATS: nc})
	var revision uint64
	err := c.Call(testContext(t), "create", nil, nil, Revised(&revision))
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeExists || e.Revision != 4 || e.Hint != "no" || revision != 5 || len(h.seen()) != 1 {
		t.Errorf("want the refusal at once, got %v at %d after %d requests", err, revision, len(h.seen()))
	}
}

// A micro service answers with an error header; the body is still a Response.
func TestCallReadsBodyBesideServiceError(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	sub, err := nc.Subscribe(Names{"lwj"}.API("local", "get"), func(m *nats.Msg) {
		r := nats.NewMsg(m.Reply)
		r.Header.Set("Nats-Service-Error-Code", "404")
		r.Header.Set("Nats-Service-Error", "not found")
		r.Data, _ = Marshal(&Response{Error: NewError(CodeNotFound, "no key")})
		_ = m.RespondMsg(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	c := newConn(t, Config{NATS: nc})
	if err := c.Call(testContext(t), "get", nil, nil, Read()); CodeOf(err) != CodeNotFound {
		t.Errorf("want not_found, got %v", err)
	}
}

func TestCallRetriesWithSameID(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func() *Response{
		"lost answer":      func() *Response { return nil },
		"not active":       func() *Response { return &Response{Error: NewError(CodeNotActive, "no")} },
		"overloaded, wait": func() *Response { return &Response{Error: NewError(CodeOverloaded, "no"), Retry: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, nc := plainServer(t)
			h := newFakeHost(t, nc, func(n int, _ *Request) *Response {
				if n < 3 {
					return first()
				}
				return &Response{}
			})
			c := newConn(t, Config{NATS: nc, TryTimeout: 50 * time.Millisecond})
			if err := c.Call(testContext(t), "put", "x", nil); err != nil {
				t.Fatal(err)
			}
			seen := h.seen()
			if len(seen) != 3 {
				t.Fatalf("want 3 requests, got %d", len(seen))
			}
			for _, r := range seen[1:] {
				if !bytes.Equal(seen[0].ID, r.ID) || r.Base != seen[0].Base || r.Clock != seen[0].Clock {
					t.Errorf("want the same request, got %+v then %+v", seen[0], r)
				}
			}
		})
	}
}

func TestCallRetriesWhileNobodyServes(t *testing.T) {
	t.Parallel()
	s, hostNATS := plainServer(t)
	nc := connect(t, s.ClientURL())
	c := newConn(t, Config{NATS: nc})
	done := make(chan error, 1)
	go func() { done <- c.Call(testContext(t), "put", nil, nil) }()
	eventually(t, "a try without a host", func() bool { return nc.Stats().OutMsgs > 0 })
	newFakeHost(t, hostNATS, func(int, *Request) *Response { return &Response{} })
	if err := <-done; err != nil {
		t.Errorf("want it done once a host is there, got %v", err)
	}
}

func TestCallUnknownOutcome(t *testing.T) {
	t.Parallel()
	ended := func(context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 100*time.Millisecond)
	}
	patient := func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }
	silent := func(int, *Request) *Response { return nil }
	cause := errors.New("the caller's reason")
	for name, c := range map[string]struct {
		answer func(int, *Request) *Response
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		opts   []CallOption
		want   []error
		not    error
	}{
		"write, no answer":          {silent, patient, nil, []error{ErrUnknownOutcome, ErrTimeout}, ErrUnreachable},
		"write, ctx ends":           {silent, ended, nil, []error{ErrUnknownOutcome, context.DeadlineExceeded}, ErrUnreachable},
		"read, no answer":           {silent, patient, []CallOption{Read()}, []error{ErrUnreachable}, ErrUnknownOutcome},
		"read, ctx ends":            {silent, ended, []CallOption{Read()}, []error{ErrUnreachable, context.DeadlineExceeded}, ErrUnknownOutcome},
		"write, nobody serves":      {nil, patient, nil, []error{ErrUnreachable}, ErrUnknownOutcome},
		"write, never sent in time": {nil, ended, nil, []error{ErrUnreachable, context.DeadlineExceeded}, ErrUnknownOutcome},
		"write, ctx was over": {silent, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(cause)
			return ctx, func() { cancel(nil) }
		}, nil, []error{cause}, ErrUnknownOutcome},
		"overloaded": {func(int, *Request) *Response {
			return &Response{Error: NewError(CodeOverloaded, "disk full")}
		}, patient, nil, []error{ErrOverloaded}, ErrUnknownOutcome},
		"full after a lost answer": {func(n int, _ *Request) *Response {
			if n == 1 {
				return nil
			}
			return &Response{Error: NewError(CodeFull, "disk full")}
		}, patient, nil, []error{ErrUnknownOutcome}, ErrFull},
		"in flight when the host stopped": {func(int, *Request) *Response {
			return &Response{Error: NewError(CodeNotActive, "stopped"), Retry: 1}
		}, patient, nil, []error{ErrUnknownOutcome}, ErrUnreachable},
		"in flight, and forgotten": {func(n int, _ *Request) *Response {
			if n == 1 {
				return &Response{Error: NewError(CodeNotActive, "stopped"), Retry: 1}
			}
			return &Response{Error: ErrUnknownOutcome}
		}, patient, nil, []error{ErrUnknownOutcome}, ErrUnreachable},
		"host stopped before it was done": {func(int, *Request) *Response {
			return &Response{Error: NewError(CodeNotActive, "stopped")}
		}, patient, nil, []error{ErrUnreachable}, ErrUnknownOutcome},
		"host does not know the id any more": {func(n int, _ *Request) *Response {
			if n == 1 {
				return nil
			}
			return &Response{Error: ErrUnknownOutcome}
		}, patient, nil, []error{ErrUnknownOutcome}, ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, nc := plainServer(t)
			if c.answer != nil {
				newFakeHost(t, nc, c.answer)
			}
			conn := newConn(t, Config{NATS: nc, RequestTimeout: 300 * time.Millisecond, TryTimeout: 80 * time.Millisecond})
			ctx, cancel := c.ctx(t.Context())
			defer cancel()
			err := conn.Call(ctx, "put", nil, nil, c.opts...)
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("want %v, got %v", want, err)
				}
			}
			if errors.Is(err, c.not) {
				t.Errorf("want no %v, got %v", c.not, err)
			}
			if code := CodeOf(c.want[0]); code != CodeInternal && CodeOf(err) != code {
				t.Errorf("want code %s, got %s", code, CodeOf(err))
			}
		})
	}
}

// Refusals leave no doubt: nothing was done.
func TestCallRefusedToTheEnd(t *testing.T) {
	t.Parallel()
	for code, want := range map[Code]error{CodeNotActive: ErrUnreachable, CodeOverloaded: ErrOverloaded} {
		refusal := Response{Error: NewError(code, "no")}
		if code == CodeOverloaded {
			refusal.Retry = 1
		}
		c := newConn(t, Config{RequestTimeout: 100 * time.Millisecond,
			Direct: directHost(func(context.Context, string, string, *Request) *Response {
				res := refusal
				return &res
			})})
		err := c.Call(testContext(t), "put", nil, nil)
		if !errors.Is(err, want) || !errors.Is(err, NewError(code, "")) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%s: want %v, got %v", code, want, err)
		}
	}
}

// A host that refuses an id at its first sight has never executed it.
func TestCallTakesNewIDWhenRefusedAtOnce(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	h := newFakeHost(t, nc, func(n int, _ *Request) *Response {
		if n == 1 {
			return &Response{Revision: 90, Error: ErrUnknownOutcome}
		}
		return &Response{Revision: 91}
	})
	c := newConn(t, Config{NATS: nc})
	if err := c.Call(testContext(t), "put", nil, nil); err != nil {
		t.Fatal(err)
	}
	seen := h.seen()
	if len(seen) != 2 || bytes.Equal(seen[0].ID, seen[1].ID) || seen[0].Base != 0 || seen[1].Base != 90 {
		t.Errorf("want another id at base 90, got %+v", seen)
	}
}

func TestCallTooLarge(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	c := newConn(t, Config{NATS: nc})
	if err := c.Call(testContext(t), "put", make([]byte, MaxMessage-10), nil); CodeOf(err) != CodeTooLarge {
		t.Errorf("want too_large, got %v", err)
	}
}

// An answer that a broken connection swallowed is asked for at once, not
// after TryTimeout.
func TestCallGoesOnAfterReconnect(t *testing.T) {
	t.Parallel()
	s, hostNATS := plainServer(t)
	proxy := newProxy(t, s.Addr().String())
	nc := connect(t, "nats://"+proxy.addr())
	h := newFakeHost(t, hostNATS, func(n int, _ *Request) *Response {
		if n == 1 {
			proxy.cut()
			return nil
		}
		return &Response{}
	})
	c := newConn(t, Config{NATS: nc, TryTimeout: patience, RequestTimeout: patience})
	if err := c.Call(testContext(t), "put", nil, nil); err != nil {
		t.Fatal(err)
	}
	if seen := h.seen(); len(seen) != 2 || !bytes.Equal(seen[0].ID, seen[1].ID) {
		t.Errorf("want the same id twice, got %+v", seen)
	}
}

func TestCallAfterClose(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	c := newConn(t, Config{NATS: nc})
	c.Close()
	if err := c.Call(testContext(t), "put", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("want a second Close to do nothing, got %v", err)
	}
	if nc.IsClosed() {
		t.Error("want the caller's NATS connection left open")
	}
}

type directHost func(ctx context.Context, user, verb string, req *Request) *Response

func (d directHost) Call(ctx context.Context, user, verb string, req *Request) *Response {
	return d(ctx, user, verb, req)
}

func TestCallDirect(t *testing.T) {
	t.Parallel()
	var ids [][]byte
	c := newConn(t, Config{User: "me", Direct: directHost(func(_ context.Context, user, verb string, req *Request) *Response {
		ids = append(ids, req.ID)
		if len(ids) == 1 {
			return &Response{Error: NewError(CodeNotActive, "not yet")}
		}
		return &Response{Revision: 3, Body: body(t, user+verb)}
	})})
	var out string
	if err := c.Call(testContext(t), "put", nil, &out); err != nil || out != "meput" {
		t.Fatalf("want meput, got %q (%v)", out, err)
	}
	if len(ids) != 2 || !bytes.Equal(ids[0], ids[1]) || c.Revision() != 3 {
		t.Errorf("want one id twice and revision 3, got %x, %d", ids, c.Revision())
	}
}

func TestCallDirectWithoutAnswer(t *testing.T) {
	t.Parallel()
	c := newConn(t, Config{RequestTimeout: 100 * time.Millisecond, TryTimeout: 20 * time.Millisecond,
		Direct: directHost(func(ctx context.Context, _, _ string, _ *Request) *Response {
			<-ctx.Done()
			return nil
		})})
	if err := c.Call(testContext(t), "put", nil, nil); !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("want ErrUnknownOutcome, got %v", err)
	}
	c.SetDirect(nil)
	if err := c.Call(testContext(t), "put", nil, nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable without a way to a host, got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Namespace: "a.b", Direct: directHost(nil)}, {User: "*", Direct: directHost(nil)}} {
		if _, err := New(cfg); CodeOf(err) != CodeUsage {
			t.Errorf("%+v: want usage, got %v", cfg, err)
		}
	}
}
