package fifo

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Item is an item that a reader holds.
type Item struct {
	Data []byte
	// Seq numbers the items of a pipe in the order in which they were put, from
	// 1. A dead letter has the number it had.
	Seq uint64
	// Deliveries is how often it was handed out, this time included; of a dead
	// letter, how often before it was given up.
	Deliveries int
	Time       time.Time // when it was put

	reader *Reader
	batch  *batch
	at     uint64 // its place in its lane
}

// batch is a claim: what one answer handed out.
type batch struct {
	items int

	mu    sync.RWMutex // held for writing while the number changes
	claim uint64
}

func (r *Reader) items(a *getAnswer) []*Item {
	b := &batch{items: len(a.Items), claim: a.Claim}
	out := make([]*Item, len(a.Items))
	for i, w := range a.Items {
		out[i] = &Item{
			Data: w.Data, Seq: w.Seq, Deliveries: w.Deliveries, Time: time.Unix(0, w.Time), reader: r, batch: b, at: w.At,
		}
	}
	return out
}

// Ack says that the item is done: it is gone when Ack returns, and never handed
// out again.
//
// Errors: ErrNotHeld when it is no longer the reader's: another may have it;
// ErrRemoved; those of bus.Conn.Call.
func (i *Item) Ack(ctx context.Context) error { return i.reader.Ack(ctx, i) }

// Nak hands the item back: it goes to the front of the pipe, or, if it was
// handed out Config.MaxDeliver times, to the dead letters.
//
// Errors: as Ack.
func (i *Item) Nak(ctx context.Context) error { return i.reader.Nak(ctx, i) }

// Ack is Item.Ack for several items of this reader: those that were got at once
// in one transaction, so all or none of them.
//
// Errors: as Item.Ack, joined.
func (r *Reader) Ack(ctx context.Context, items ...*Item) error { return r.settle(ctx, items, ack) }

// Nak is Item.Nak for several, as Ack.
//
// Errors: as Ack.
func (r *Reader) Nak(ctx context.Context, items ...*Item) error { return r.settle(ctx, items, nak) }

// Extend gives the items the pipe's whole AckWait again, and those that were got
// with them, too.
//
// Errors: as Ack.
func (r *Reader) Extend(ctx context.Context, items ...*Item) error {
	return r.each(items, func(b *batch, _ []uint64) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		var a getAnswer
		if err := r.pipe.conn.Call(ctx, verbExtend, r.request(b.claim, ack), &a); err != nil {
			return err
		}
		b.claim = a.Claim
		return nil
	})
}

func (r *Reader) settle(ctx context.Context, items []*Item, how verdict) error {
	return r.each(items, func(b *batch, places []uint64) error {
		b.mu.RLock()
		defer b.mu.RUnlock()
		in := r.request(b.claim, how)
		if len(places) < b.items {
			in.At = places
		}
		return r.pipe.conn.Call(ctx, verbAck, in, nil)
	})
}

// each calls do for each batch with the places of its items.
func (r *Reader) each(items []*Item, do func(*batch, []uint64) error) error {
	var errs []error
	for len(items) > 0 {
		b, places := items[0].batch, []uint64(nil)
		var rest []*Item
		for _, i := range items {
			if i.batch == b {
				places = append(places, i.at)
			} else {
				rest = append(rest, i)
			}
		}
		slices.Sort(places)
		errs = append(errs, do(b, slices.Compact(places)))
		items = rest
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
