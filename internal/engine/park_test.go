package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// errNothing is what a take hears when its patience ends.
var errNothing = bus.NewError(bus.CodeNotFound, "nothing there")

// takes is a layer with a bag of tokens: "give" adds keys to it, "take" removes
// the first or waits for one, "later" gives one when its time has come.
func takes(c *engine.Config) {
	give := func(tx *engine.Tx, key string) {
		tx.Put("bag", key, nil)
		tx.Wake("bag")
	}
	c.Layers = append(c.Layers, engine.Layer{
		Name: "bag", Buckets: []engine.Bucket{{Name: "bag", Transient: true}},
		Procedures: []engine.Procedure{
			engine.Write("give", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				for _, key := range append(in.More, in.Key) {
					give(tx, key)
				}
				return nil, nil
			}),
			engine.Write("take", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				a := kvAns{}
				tx.Range("bag", "", nil, func(c *bus.Change) bool { a.Before, a.Existed = c.Key, true; return false })
				if !a.Existed {
					return nil, &engine.Park{Key: "bag", Empty: errNothing}
				}
				tx.Delete("bag", a.Before, bus.ReasonDeleted)
				return a, nil
			}),
			engine.Write("later", nil, func(tx *engine.Tx, in *kvReq) (any, error) {
				tx.SetTimer("bag", engine.Timer{Due: tx.Now() + time.Minute, ID: in.Key})
				return nil, nil
			}),
		},
		Timer: func(tx *engine.Tx, id string) error {
			if strings.HasPrefix(id, "bad") {
				return bus.NewError(bus.CodeInternal, "asked to fail")
			}
			give(tx, id)
			return nil
		},
	})
}

// take asks for a token, for as long as wait, and hands on what it got.
func (b *bed) take(wait time.Duration, got chan<- string) {
	id := uuid.New()
	res := b.e.Call(context.Background(), "u", "take", &bus.Request{ID: id[:], Wait: wait.Milliseconds(), Body: must(b.t, kvReq{})})
	if res.Error != nil {
		got <- string(res.Error.Code)
		return
	}
	var a kvAns
	if err := bus.Unmarshal(res.Body, &a); err != nil {
		b.t.Error(err)
	}
	got <- a.Before
}

func must(t testing.TB, in any) []byte {
	t.Helper()
	body, err := bus.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (b *bed) give(keys ...string) {
	b.t.Helper()
	if res := b.ask("give", kvReq{Key: keys[0], More: keys[1:]}); res.Error != nil {
		b.t.Fatal(res.Error)
	}
}

// TestPark: parked requests are served in their order, one for each token,
// nobody else is answered, and patience ends.
func TestPark(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, takes)
		got := make([]chan string, 4)
		for i := range got {
			got[i] = make(chan string, 1)
			go b.take(8*time.Second, got[i])
			synctest.Wait() // it is parked
		}
		b.give("a", "b")
		if first, second := <-got[0], <-got[1]; first != "a" || second != "b" {
			t.Fatalf("want a and b for the first two, got %q and %q", first, second)
		}
		synctest.Wait()
		if len(got[2])+len(got[3]) != 0 {
			t.Fatal("a request was answered that should wait")
		}
		b.give("c")
		if third := <-got[2]; third != "c" {
			t.Fatalf("want c for the third, got %q", third)
		}
		began := time.Now()
		if last := <-got[3]; last != string(bus.CodeNotFound) || time.Since(began) > 9*time.Second {
			t.Fatalf("want the end of its patience after 8s, got %q after %v", last, time.Since(began))
		}
		b.take(0, got[0])
		if last := <-got[0]; last != string(bus.CodeNotFound) {
			t.Fatalf("want an answer at once without patience, got %q", last)
		}
		b.end()
	})
}

// TestParkInDeadRound: a wake, or the state that had a request parked, may
// prove never to have been: nobody is forgotten (ENGINE 5).
func TestParkInDeadRound(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]enginetest.Fault{"refused": enginetest.Refuse, "lost": enginetest.LoseWrite, "answer lost": enginetest.LoseAck} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var writes atomic.Int64
				b := newBed(t, takes, failing(func([]byte) enginetest.Fault {
					if writes.Add(1)%3 == 0 {
						return fault
					}
					return enginetest.None
				}))
				const n = 60
				got := make(chan string, n)
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() { b.take(engine.MaxWait, got) })
				}
				synctest.Wait()
				given := 0
				for i := range n {
					if res := b.ask("give", kvReq{Key: fmt.Sprintf("%03d", i)}); res.Error == nil {
						given++
					}
				}
				wg.Wait()
				close(got)
				seen, refused := map[string]int{}, 0
				for g := range got {
					switch g {
					case string(bus.CodeNotFound), string(bus.CodeFull):
						refused++
					default:
						seen[g]++
					}
				}
				left := 0
				b.e.Snapshot().Range("bag", "", nil, func(*bus.Change) bool { left++; return true })
				for key, times := range seen {
					if times > 1 {
						t.Errorf("token %s was taken %d times", key, times)
					}
				}
				if len(seen)+left != given {
					t.Errorf("%d tokens given, %d taken, %d left", given, len(seen), left)
				}
				if left > 0 && name != "refused" { // a refused take is not repeated
					t.Errorf("%d tokens are left and %d requests were not served", left, refused)
				}
				b.end()
			})
		})
	}
}

// TestParkBehindRefused: a request that was parked because another one took
// the last token is served when that one never was.
func TestParkBehindRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate, refuse := make(chan struct{}), atomic.Bool{}
		b := newBed(t, takes, failing(func([]byte) enginetest.Fault {
			if refuse.Swap(false) {
				return enginetest.Refuse
			}
			return enginetest.None
		}), func(c *engine.Config) {
			c.Layers = append(c.Layers, engine.Layer{Name: "gate", Procedures: []engine.Procedure{
				engine.Write("gate", nil, func(*engine.Tx, *kvReq) (any, error) { <-gate; return nil, nil }),
			}})
		})
		b.give("a")
		refuse.Store(true)
		b.e.Submit("u", "gate", &bus.Request{Body: must(t, kvReq{})}, func(*bus.Response) {})
		synctest.Wait()
		got := [2]chan string{make(chan string, 1), make(chan string, 1)}
		for _, ch := range got { // both are evaluated before the log answers
			go b.take(engine.MaxWait, ch)
			synctest.Wait()
		}
		close(gate)
		if first, second := <-got[0], <-got[1]; first != string(bus.CodeFull) || second != "a" {
			t.Fatalf("want full and a, got %q and %q", first, second)
		}
		b.end()
	})
}

// TestParkEndsWithEngine: what is parked when the engine closes is answered,
// so that its client asks the next one.
func TestParkEndsWithEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, takes)
		got := make(chan string, 1)
		go b.take(engine.MaxWait, got)
		synctest.Wait()
		b.end()
		if a := <-got; a != string(bus.CodeNotActive) {
			t.Fatalf("want not_active, got %q", a)
		}
	})
}

// TestTimer: timers ring in their order when engine time comes, also after a
// restart; downtime does not count; one that fails is tried again and holds up
// nobody.
func TestTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, takes)
		for _, id := range []string{"bad", "x", "y"} {
			if res := b.ask("later", kvReq{Key: id}); res.Error != nil {
				t.Fatal(res.Error)
			}
		}
		time.Sleep(30 * time.Second) // fake time
		b.give("now")                // engine time is that of the last record
		b.end()
		time.Sleep(time.Hour)
		b.open()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if keys := b.bag(); !slices.Equal(keys, []string{"now"}) {
			t.Fatalf("a timer rang too early: %v", keys)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if keys := b.bag(); !slices.Equal(keys, []string{"now", "x", "y"}) {
			t.Fatalf("want x and y after a minute, got %v", keys)
		}
		timers := 0
		b.e.Snapshot().Range("_timer", "", nil, func(c *bus.Change) bool { timers += bytes.Count([]byte(c.Key), []byte("bad")); return true })
		if timers != 1 {
			t.Fatalf("want the failing timer set again, got %d", timers)
		}
		b.end()
	})
}

func (b *bed) bag() (keys []string) {
	b.e.Snapshot().Range("bag", "", nil, func(c *bus.Change) bool { keys = append(keys, c.Key); return true })
	return keys
}
