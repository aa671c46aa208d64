package fifo

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// get claims items for the owner, or waits until there is one.
func get(tx *engine.Tx, in *getRequest) (any, error) {
	w, err := load(tx, &in.pipeRequest)
	if err != nil {
		return nil, err
	}
	o := engine.Owner{ID: in.Owner, Token: in.Token}
	if !registered(tx, o) {
		return nil, noOwner(o)
	}
	t := taking{work: w, lane: in.Lane, most: uint64(in.Most)}
	if t.take(); t.taken == 0 {
		if w.ended(o, in.Lane, in.Until) {
			return nil, bus.NewError(bus.CodeEnded, "pipe %q is closed and empty", w.name)
		}
		return nil, &engine.Park{Key: getLine(w.id, in.Lane), Empty: bus.NewError(bus.CodeEmpty, "pipe %q is empty", w.name)}
	}
	w.claim(o, in.Lane, t.runs)
	w.save()
	return &getAnswer{Pipe: w.id, Lane: in.Lane, Claim: w.Claims}, nil
}

// claim gives runs to an owner, and sets the timer that takes them back.
// Claims are numbered in the order in which their times pass.
func (w *work) claim(o engine.Owner, l lane, runs []run) {
	c := claim{Name: w.name, Runs: runs}
	if w.AckWait > 0 {
		c.Due = uint64(w.tx.Now()) + w.AckWait
		w.setRing(c.Due)
	}
	w.Claims++
	w.tx.PutOwned(claimBucket, partKey(w.id, l, w.Claims), c.encode(), o)
}

// taking takes items from the front of a lane: those that were handed back,
// which have the lower places, before those that nobody has seen.
type taking struct {
	*work
	lane  lane
	most  uint64
	taken uint64
	bytes uint64
	runs  []run
}

func (t *taking) take() {
	ln := &t.Lines[t.lane]
	for ln.Back > 0 && t.takeBack(ln) {
	}
	if ln.Back == 0 {
		n := t.count(ln.Out+1, ln.Last-ln.Out)
		t.add(run{First: ln.Out + 1, Count: n, Tries: 1})
		ln.Out += n
	}
	ln.Held += t.taken
}

// takeBack takes of the first run that was handed back; true: the whole of it.
func (t *taking) takeBack(ln *laneState) bool {
	first, ok := t.firstBack(t.lane)
	if !ok {
		return false
	}
	n := t.count(first.First, first.Count)
	if n == 0 {
		return false
	}
	t.tx.Delete(backBucket, partKey(t.id, t.lane, first.First), bus.ReasonDeleted)
	ln.Back -= n
	t.add(run{First: first.First, Count: n, Tries: first.Tries + 1})
	if n == first.Count {
		return true
	}
	t.putBack(t.lane, run{First: first.First + n, Count: first.Count - n, Tries: first.Tries})
	return false
}

func (t *taking) add(r run) {
	if r.Count > 0 {
		t.runs = append(t.runs, r)
		t.taken += r.Count
	}
}

// count is how many of the items from first on the batch has room for: one at
// least, if it has none yet.
func (t *taking) count(first, most uint64) (n uint64) {
	for n < most && t.taken+n < t.most {
		c := t.tx.Get(itemBucket, partKey(t.id, t.lane, first+n))
		if c == nil {
			return n
		}
		size := uint64(len(c.Value))
		if t.taken+n > 0 && t.bytes+size > MaxBatchBytes {
			return n
		}
		t.bytes += size
		n++
	}
	return n
}

// firstBack is the first run that was handed back.
func (w *work) firstBack(l lane) (r run, ok bool) {
	prefix := lanePrefix(w.id, l)
	w.tx.Range(backBucket, prefix, after(prefix), func(c *bus.Change) bool {
		in := row{b: c.Value}
		r = in.run()
		ok = !in.bad
		return false
	})
	return r, ok
}

func (w *work) putBack(l lane, r run) {
	w.tx.Put(backBucket, partKey(w.id, l, r.First), r.append(nil))
}

// ended tells a reader that finds nothing whether nothing can come any more:
// nobody puts, and what others hold has been acknowledged.
func (w *work) ended(o engine.Owner, l lane, until bool) bool {
	closed := w.is(flagClosed) || until && w.is(flagWritten) && writers(w.tx, w.id, 1) == 0
	if !closed || w.heldByOthers(o, l) {
		return false
	}
	return l == mainLane || w.Lines[mainLane].ready()+w.Lines[mainLane].Held == 0
}

func (w *work) heldByOthers(o engine.Owner, l lane) (others bool) {
	prefix := lanePrefix(w.id, l)
	w.tx.Range(claimBucket, prefix, after(prefix), func(c *bus.Change) bool {
		others = c.Owner != o.ID || c.Token != o.Token
		return !others
	})
	return others
}

// reveal reads the items of a claim: what is kept of the answer says only
// which. A claim that is gone has none; whoever asked for it asks again.
func reveal(v *engine.View, kept []byte) (any, error) {
	var a getAnswer
	if err := bus.Unmarshal(kept, &a); err != nil {
		return nil, err
	}
	at := v.Get(claimBucket, partKey(a.Pipe, a.Lane, a.Claim))
	if at == nil {
		return &a, nil
	}
	c, ok := decodeClaim(at.Value)
	if !ok {
		return nil, broken("claim", at.Key)
	}
	for _, r := range c.Runs {
		for n := range r.Count {
			if item := v.Get(itemBucket, partKey(a.Pipe, a.Lane, r.First+n)); item != nil {
				a.Items = append(a.Items, handed(a.Lane, r.First+n, r.Tries, item))
			}
		}
	}
	return &a, nil
}

// handed is an item as it is handed out.
func handed(l lane, at, tries uint64, c *bus.Change) wireItem {
	i := wireItem{At: at, Seq: at, Deliveries: int(tries), Time: c.Time, Data: c.Value}
	if d, ok := decodeDead(c.Value); l == deadLane && ok {
		i.Seq, i.Deliveries, i.Time, i.Data = d.Seq, int(d.Tries), int64(d.Time), d.Data
	}
	return i
}
