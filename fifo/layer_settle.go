package fifo

import (
	"slices"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// settle says what becomes of the items of a claim, or of some of them.
func settle(tx *engine.Tx, in *ackRequest) (any, error) {
	w, c, err := loadClaim(tx, in)
	if err != nil {
		return nil, err
	}
	picked, left, ok := split(c.Runs, in.At)
	if !ok {
		return nil, w.notHeld()
	}
	key := partKey(w.id, in.Lane, in.Claim)
	if c.Runs = left; len(left) == 0 {
		tx.Delete(claimBucket, key, bus.ReasonDeleted)
	} else {
		tx.Put(claimBucket, key, c.encode())
	}
	if in.How == ack {
		w.drop(in.Lane, picked)
	} else {
		w.handBack(in.Lane, picked, in.How == nak)
	}
	w.save()
	return nil, nil
}

// extend gives a claim its whole time again, under a new number: claims stay
// in the order in which their times pass.
func extend(tx *engine.Tx, in *ackRequest) (any, error) {
	w, c, err := loadClaim(tx, in)
	if err != nil {
		return nil, err
	}
	tx.Delete(claimBucket, partKey(w.id, in.Lane, in.Claim), bus.ReasonDeleted)
	w.claim(engine.Owner{ID: in.Owner, Token: in.Token}, in.Lane, c.Runs)
	w.save()
	return &getAnswer{Pipe: w.id, Lane: in.Lane, Claim: w.Claims}, nil
}

func loadClaim(tx *engine.Tx, in *ackRequest) (*work, claim, error) {
	w, err := load(tx, &in.pipeRequest)
	if err != nil {
		return nil, claim{}, err
	}
	at := tx.Get(claimBucket, partKey(w.id, in.Lane, in.Claim))
	if at == nil || at.Owner != in.Owner || at.Token != in.Token {
		return nil, claim{}, w.notHeld()
	}
	c, ok := decodeClaim(at.Value)
	if !ok {
		return nil, c, broken("claim", at.Key)
	}
	return w, c, nil
}

func (w *work) notHeld() error {
	return bus.NewError(bus.CodeFenced, "the item of pipe %q is not held any more: it was acknowledged or handed back, or its time has passed", w.name).
		WithHint("it may be handed to another consumer; acknowledge sooner, or extend the time")
}

// split takes the places from runs; no places are all of them. Not ok: one of
// the places is in no run.
func split(runs []run, places []uint64) (picked, left []run, ok bool) {
	if len(places) == 0 {
		return runs, nil, true
	}
	left = slices.Clone(runs)
	for _, at := range places {
		i := slices.IndexFunc(left, func(r run) bool { return at >= r.First && at-r.First < r.Count })
		if i < 0 {
			return nil, nil, false
		}
		r := left[i]
		picked = join(picked, run{First: at, Count: 1, Tries: r.Tries})
		left = slices.Replace(left, i, i+1, without(r, at)...)
	}
	return picked, left, true
}

// join adds a run, to the last one if it goes on there.
func join(runs []run, r run) []run {
	if n := len(runs) - 1; n >= 0 && runs[n].First+runs[n].Count == r.First && runs[n].Tries == r.Tries {
		runs[n].Count += r.Count
		return runs
	}
	return append(runs, r)
}

// without is what is left of a run without one of its places.
func without(r run, at uint64) (left []run) {
	if n := at - r.First; n > 0 {
		left = append(left, run{r.First, n, r.Tries})
	}
	if n := r.First + r.Count - at - 1; n > 0 {
		left = append(left, run{at + 1, n, r.Tries})
	}
	return left
}

// drop deletes items that are done. There is room again, and perhaps an end.
func (w *work) drop(l lane, runs []run) {
	for _, r := range runs {
		for n := range r.Count {
			key := partKey(w.id, l, r.First+n)
			if c := w.tx.Get(itemBucket, key); c != nil {
				w.Bytes -= uint64(len(w.item(l, c).Data))
				w.tx.Delete(itemBucket, key, bus.ReasonDeleted)
			}
		}
		w.Lines[l].Held -= r.Count
		w.Acked += r.Count
	}
	w.tx.Wake(putLine(w.id))
	w.drained(l)
}

func (w *work) item(l lane, c *bus.Change) wireItem { return handed(l, 0, 0, c) }

// drained wakes readers that wait for an end: nothing is left in a lane.
func (w *work) drained(l lane) {
	if ln := &w.Lines[l]; ln.ready()+ln.Held == 0 {
		w.wakeReaders()
	}
}

// handBack returns items to the front of their lane, or, those that were
// handed out too often, to the dead letters. counted: the try was one.
func (w *work) handBack(l lane, runs []run, counted bool) {
	for _, r := range runs {
		w.Lines[l].Held -= r.Count
		w.Returned += r.Count
		switch {
		case !counted:
			r.Tries--
		case l == mainLane && w.MaxDeliver > 0 && r.Tries >= w.MaxDeliver:
			w.bury(r)
			continue
		}
		w.Lines[l].Back += r.Count
		w.putBack(l, r)
	}
	w.tx.Wake(getLine(w.id, l))
	w.drained(l)
}

// bury moves items to the dead letters. They keep their place in the bounds of
// the pipe: nothing is ever thrown away for want of room.
func (w *work) bury(r run) {
	for n := range r.Count {
		at := r.First + n
		key := partKey(w.id, mainLane, at)
		c := w.tx.Get(itemBucket, key)
		if c == nil {
			continue
		}
		d := dead{Tries: r.Tries, Seq: at, Time: uint64(c.Time), Data: c.Value}
		w.append(deadLane, [][]byte{d.encode()})
		w.tx.Delete(itemBucket, key, bus.ReasonDeleted)
	}
	w.Buried += r.Count
}
