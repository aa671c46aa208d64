package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// line is a layer with a number: "add" adds to it, "sub" waits until it can
// subtract and lets nobody pass who waits, "leave" gives up what was asked for.
// What is kept of "sub" is one byte, what is sent says what is left.
func line(c *engine.Config) {
	number := func(r engine.Reader) (n int) {
		if c := r.Get("line", "n"); c != nil {
			n = int(c.Value[0])
		}
		return n
	}
	sub := engine.Write("sub", nil, func(tx *engine.Tx, in *int) (any, error) {
		if number(tx) < *in || tx.Behind("line") {
			return nil, &engine.Park{Key: "line", Empty: errNothing}
		}
		tx.Put("line", "n", []byte{byte(number(tx) - *in)})
		return nil, nil
	})
	sub.Reveal = func(v *engine.View, kept []byte) (any, error) {
		if len(kept) != 1 {
			return nil, bus.NewError(bus.CodeInternal, "want nil kept, got % x", kept)
		}
		return number(v), nil
	}
	c.Layers = append(c.Layers, engine.Layer{
		Name: "line", Buckets: []engine.Bucket{{Name: "line", Transient: true}},
		Procedures: []engine.Procedure{
			sub,
			engine.Write("add", nil, func(tx *engine.Tx, in *int) (any, error) {
				tx.Put("line", "n", []byte{byte(number(tx) + *in)})
				tx.Wake("line")
				return nil, nil
			}),
			engine.Write("leave", nil, func(tx *engine.Tx, in *int) (any, error) {
				tx.GiveUp("line", func(parked any) bool { return *parked.(*int) == *in })
				return nil, nil
			}),
		},
	})
}

// number asks for a verb of line; -1: not done.
func (b *bed) number(verb string, n int) <-chan int {
	got := make(chan int, 1)
	go func() {
		left := -1
		res := b.e.Call(context.Background(), "u", verb, &bus.Request{Wait: (8 * time.Second).Milliseconds(), Body: must(b.t, n)})
		if res.Error == nil && bus.Unmarshal(res.Body, &left) != nil {
			left = -2
		}
		got <- left
	}()
	synctest.Wait() // it is answered or parked
	return got
}

// TestParkedLine: nobody passes who waits in the same line; who leaves it makes
// way; and what is sent is made from what is kept.
func TestParkedLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, line)
		<-b.number("add", 5)
		nine, two := b.number("sub", 9), b.number("sub", 2)
		if len(nine)+len(two) != 0 {
			t.Fatal("want 2 to wait behind 9")
		}
		<-b.number("leave", 9)
		if got, left := <-nine, <-two; got != -1 || left != 3 {
			t.Fatalf("want 9 given up and 3 left behind 2, got %d and %d", got, left)
		}
		four := b.number("sub", 4)
		time.Sleep(4 * time.Second)
		one := b.number("sub", 1)
		time.Sleep(5 * time.Second) // the patience of the first is over
		if got, left := <-four, <-one; got != -1 || left != 2 {
			t.Fatalf("want 4 given up and 2 left behind 1, got %d and %d", got, left)
		}
		b.end()
	})
}
