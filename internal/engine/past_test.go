package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/lwjbus/lwjbus/bus"
)

// chainOf is the life of a key, as the state makes it: p is a put, d a delete;
// their revisions are 10, 20, …
func chainOf(life string) []*bus.Change {
	s := newState(map[string]Bucket{"b": {Name: "b", History: len(life)}})
	for i, op := range life {
		s.revision = uint64(10*i + 9)
		tx := &Tx{s: s}
		if op == 'p' {
			tx.Put("b", "k", nil)
		} else {
			tx.Delete("b", "k", bus.ReasonDeleted)
		}
		tx.commit()
	}
	return s.History("b", "k")
}

// TestPastFromView: a change that is shown is believed if it is what the one
// after it says, and at most as many are as the bucket keeps.
func TestPastFromView(t *testing.T) {
	t.Parallel()
	const life = "ppdppdp"
	for name, c := range map[string]struct {
		room   int
		change func(shown map[uint64]*Showing)
		want   uint64 // the oldest that is believed
	}{
		"all":              {9, func(map[uint64]*Showing) {}, 10},
		"as many as kept":  {3, func(map[uint64]*Showing) {}, 40},
		"no room":          {0, func(map[uint64]*Showing) {}, 70},
		"one is gone":      {9, func(s map[uint64]*Showing) { delete(s, 30) }, 40},
		"one not linked":   {9, func(s map[uint64]*Showing) { s[45] = &Showing{Change: s[40].Change} }, 10},
		"another revision": {9, func(s map[uint64]*Showing) { s[40].Revision = 41 }, 50},
		"another version":  {9, func(s map[uint64]*Showing) { s[40].Version = 7 }, 50},
		"another creation": {9, func(s map[uint64]*Showing) { s[10].Created = 5 }, 20},
		"put for delete":   {9, func(s map[uint64]*Showing) { s[30].Op = bus.OpPut }, 40},
		"delete for put":   {9, func(s map[uint64]*Showing) { s[20].Op = bus.OpDelete }, 30},
		"a circle":         {9, func(s map[uint64]*Showing) { s[10].Previous = 20 }, 20},
	} {
		all := chainOf(life)
		shown := map[uint64]*Showing{}
		for _, c := range all[:len(all)-1] {
			shown[c.Revision] = &Showing{Change: c}
		}
		c.change(shown)
		newest := all[len(all)-1]
		got := append(proven(shown, newest, c.room), newest)
		if got[0].Revision != c.want {
			t.Errorf("%s: want changes from revision %d, got %d", name, c.want, got[0].Revision)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Previous != got[i-1].Revision {
				t.Errorf("%s: a break before revision %d", name, got[i].Revision)
			}
		}
	}
}

// holding is a view that answers nothing until it is let go.
type holding struct {
	Projector
	looks chan struct{} // one each time somebody looks
}

func (h *holding) Shown(ctx context.Context, _, _ string) (map[uint64]*Showing, error) {
	h.looks <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h *holding) Read(context.Context, *Showing) (*bus.Change, error) {
	return nil, errors.New("nothing is shown")
}

// TestLater: reads that wait for a view that does not answer hinder nobody,
// look at most MaxLooks at a time, and are answered when MaxLater has passed.
func TestLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		view := &holding{looks: make(chan struct{}, 10*MaxLooks)}
		e := &Engine{
			cfg: Config{Logger: slog.New(slog.DiscardHandler), Log: maxRecord{}}, project: view,
			looks: make(chan struct{}, MaxLooks), buckets: map[string]Bucket{}, verbs: map[string]verb{},
		}
		e.ctx, e.cancel = context.WithCancel(t.Context())
		s := newState(nil)
		for range 3 {
			tx := &Tx{s: s}
			tx.Put("b", "k", nil)
			tx.commit()
		}
		s.shed(0)
		e.view.Store(&Snapshot{keyspace: s.snapshot()})
		past := ReadOf("past", nil, func(v *View, _ *struct{}) (any, error) {
			if !v.Shed("b", "k", 0) || v.Shed("b", "k", 2) || v.Shed("b", "none", 0) {
				t.Error("want the changes up to revision 2 to have left memory")
			}
			return Later(func(ctx context.Context) (any, error) {
				_, err := v.Past(ctx, "b", "k")
				return fmt.Sprint(err), nil
			}), nil
		})
		now := ReadOf("now", nil, func(*View, *struct{}) (any, error) { return "now", nil })
		e.verbs["past"], e.verbs["now"] = verb{read: &past}, verb{read: &now}
		body, err := bus.Marshal(struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan *bus.Response, 2*MaxLooks)
		for range 2 * MaxLooks {
			e.Submit("u", "past", &bus.Request{Body: body}, func(r *bus.Response) { answers <- r })
		}
		synctest.Wait()
		if r := e.Call(t.Context(), "u", "now", &bus.Request{Body: body}); r.Error != nil || len(view.looks) != MaxLooks || len(answers) != 0 {
			t.Fatalf("want %d looks and a read beside them, got %d, %+v", MaxLooks, len(view.looks), r)
		}
		for range 2 * MaxLooks {
			if r := <-answers; r.Error != nil {
				t.Fatal(r.Error)
			}
		}
		if n := e.waiting.Load(); n != 0 {
			t.Errorf("want no read left, got %d", n)
		}
		e.cancel()
		e.wg.Wait()
	})
}

// maxRecord is a log that takes records of the largest size.
type maxRecord struct{ Log }

func (maxRecord) MaxRecord() int { return MaxRecordBytes }
