package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// moves adds a verb that takes the first key of bucket "b" that begins with
// "t", or waits in line "one", or "two" where a key "m" says so.
func moves(c *engine.Config) {
	c.Layers = append(c.Layers, engine.Layer{Name: "moves", Procedures: []engine.Procedure{
		engine.Write("move", nil, func(tx *engine.Tx, _ *kvReq) (any, error) {
			var token string
			tx.Range("b", "t", nil, func(c *bus.Change) bool { token = c.Key; return false })
			switch {
			case token != "":
				tx.Delete("b", token, bus.ReasonDeleted)
				return token, nil
			case tx.Get("b", "m") == nil:
				return nil, &engine.Park{Key: "one", Empty: errNothing}
			}
			return nil, &engine.Park{Key: "two", Empty: errNothing}
		}),
		engine.Write("wake", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
			for _, key := range in.More {
				tx.Put("b", key, nil)
			}
			tx.Wake(in.Key)
			return nil, nil
		}),
	}})
}

// move sends the request of an id, to be held so long.
func (b *bed) move(id uuid.UUID, wait time.Duration) <-chan string {
	got := make(chan string, 1)
	body := must(b.t, kvReq{})
	b.e.Submit("u", "move", &bus.Request{ID: id[:], Wait: wait.Milliseconds(), Body: body}, func(res *bus.Response) {
		var token string
		if res.Error != nil {
			token = string(res.Error.Code)
		} else if err := bus.Unmarshal(res.Body, &token); err != nil {
			token = err.Error()
		}
		got <- token
	})
	synctest.Wait()
	return got
}

func (b *bed) wake(line string, puts ...string) {
	b.t.Helper()
	if res := b.e.Call(context.Background(), "u", "wake", &bus.Request{Body: must(b.t, kvReq{Key: line, More: puts})}); res.Error != nil {
		b.t.Fatal(res.Error)
	}
	synctest.Wait()
}

// TestParkedCopyGivesUp: a copy of a request that waits in another line than
// the request is answered as that one was, also when its own patience ends.
func TestParkedCopyGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, moves)
		id := uuid.New()
		first := b.move(id, engine.MaxWait)
		b.wake("none", "m")
		second := b.move(id, time.Second)
		b.wake("one", "t1")
		want(t, "t1", <-first)
		want(t, "t1", <-second)
		b.end()
	})
}

// TestParkMovesInOrder: requests that are woken and go on to wait elsewhere
// stand there in the order in which they came.
func TestParkMovesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, moves)
		first, second := b.move(uuid.New(), engine.MaxWait), b.move(uuid.New(), engine.MaxWait)
		b.wake("one", "m")
		b.wake("two", "t1")
		b.wake("two", "t2")
		want(t, "t1", <-first)
		want(t, "t2", <-second)
		b.end()
	})
}
