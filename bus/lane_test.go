package bus

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestLateAnswerIsNobodys: an answer that comes after its call gave up reaches
// no other call.
func TestLateAnswerIsNobodys(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	var late []*nats.Msg // the first two requests, which nobody answers in time
	echo(t, nc, func(m *nats.Msg) {
		if len(late) < 2 {
			late = append(late, m)
			return
		}
		for _, old := range late {
			_ = old.Respond(answerTo(old))
		}
		_ = m.Respond(answerTo(m))
	})
	c := newConn(t, Config{NATS: nc})
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := c.Call(ctx, "echo", "old", nil, Read()); err == nil {
			t.Error("want no answer, got one")
		}
		cancel()
	}
	wantEchoes(t, c)
}

// TestSecondAnswerIsNobodys: a host that answers twice confuses no later call.
func TestSecondAnswerIsNobodys(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	var before *nats.Msg
	echo(t, nc, func(m *nats.Msg) {
		if before != nil {
			_ = before.Respond(answerTo(before))
		}
		_ = m.Respond(answerTo(m))
		before = m
	})
	wantEchoes(t, newConn(t, Config{NATS: nc}))
}

// echo serves the requests of wantEchoes.
func echo(t *testing.T, nc *nats.Conn, serve nats.MsgHandler) {
	t.Helper()
	sub, err := nc.Subscribe(Names{"lwj"}.API("local", "echo"), serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// wantEchoes makes calls one after the other, each of which has an answer of
// its own.
func wantEchoes(t *testing.T, c *Conn) {
	t.Helper()
	ctx := testContext(t)
	for i := range 3 * laneReplies {
		want, got := fmt.Sprint("call ", i), ""
		if err := c.Call(ctx, "echo", want, &got, Read()); err != nil || got != want {
			t.Errorf("want %q, got %q (%v)", want, got, err)
		}
	}
}

// answerTo echoes a request.
func answerTo(m *nats.Msg) []byte {
	var req Request
	if err := Unmarshal(m.Data, &req); err != nil {
		return nil
	}
	b, _ := Marshal(&Response{Body: req.Body})
	return b
}

// TestLanes: calls at once get their own answers, a call after another takes
// its lane, and Close leaves no subscription on a connection that goes on.
func TestLanes(t *testing.T) {
	t.Parallel()
	_, nc := plainServer(t)
	newFakeHost(t, nc, func(_ int, req *Request) *Response { return &Response{Body: req.Body} })
	before := nc.NumSubscriptions()
	c := newConn(t, Config{NATS: nc})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				want, got := fmt.Sprint(i, ".", j), ""
				if err := c.Call(ctx, "echo", want, &got); err != nil || got != want {
					t.Errorf("want %s, got %s (%v)", want, got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := nc.NumSubscriptions() - before; n < 1 || n > 8 {
		t.Errorf("want 1 to 8 lanes of 8 callers, got %d", n)
	}
	c.Close()
	if want, got := before, nc.NumSubscriptions(); got != want {
		t.Errorf("want %d subscriptions after Close, got %d", want, got)
	}
}
