package fifo

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// put appends items, all of them or none, or waits until there is room. Nobody
// who came later passes one who waits.
func put(tx *engine.Tx, in *putRequest) (any, error) {
	w, err := load(tx, &in.pipeRequest)
	if err != nil {
		return nil, err
	}
	if o := (engine.Owner{ID: in.Owner, Token: in.Token}); in.Owner != "" && !registered(tx, o) {
		return nil, noOwner(o)
	}
	if w.is(flagClosed) {
		return nil, w.closedError()
	}
	bytes := size(in.Items)
	if err := w.possible(len(in.Items), bytes); err != nil {
		return nil, err
	}
	key := putLine(w.id)
	if !w.fits(len(in.Items), bytes) {
		return nil, &engine.Park{Key: key, Empty: w.fullError()}
	}
	if tx.Behind(key) {
		return nil, &engine.Park{Key: key, Empty: bus.NewError(bus.CodeNoRoom, "others wait for room in pipe %q", w.name)}
	}
	w.append(mainLane, in.Items)
	w.Bytes += bytes
	w.Put += uint64(len(in.Items))
	w.save()
	return nil, nil
}

func size(items [][]byte) (n uint64) {
	for _, item := range items {
		n += uint64(len(item))
	}
	return n
}

// append puts items at the end of a lane and wakes who waits for them.
func (w *work) append(l lane, items [][]byte) {
	ln := &w.Lines[l]
	for _, item := range items {
		ln.Last++
		w.tx.Put(itemBucket, partKey(w.id, l, ln.Last), item)
	}
	w.tx.Wake(getLine(w.id, l))
}

// possible refuses what the pipe never has room for.
func (w *work) possible(items int, bytes uint64) error {
	if uint64(items) > w.MaxItems || bytes > w.MaxBytes {
		return bus.NewError(bus.CodeTooLarge, "%d items of %d bytes never fit pipe %q, which holds %d items of %d bytes", items, bytes, w.name, w.MaxItems, w.MaxBytes).
			WithHint("put less at a time, or make the pipe larger")
	}
	return nil
}

func (w *work) fits(items int, bytes uint64) bool {
	return w.items()+uint64(items) <= w.MaxItems && w.Bytes+bytes <= w.MaxBytes
}

func (w *work) fullError() *bus.Error {
	e := bus.NewError(bus.CodeNoRoom, "pipe %q is full: %d of %d items, %d of %d bytes", w.name, w.items(), w.MaxItems, w.Bytes, w.MaxBytes)
	if n := w.Lines[deadLane].ready(); n > 0 {
		return e.WithHint("%d of them are dead letters: read them with lwj fifo dead", n)
	}
	return e.WithHint("wait, or have it read")
}

// giveUp ends the wait of a put or a get.
func giveUp(tx *engine.Tx, in *giveUpRequest) (any, error) {
	c, _, err := find(tx, &in.pipeRequest)
	if err != nil {
		return nil, nil // who waited has been told
	}
	key := putLine(c.Created)
	if in.Get {
		key = getLine(c.Created, in.Lane)
	}
	tx.GiveUp(key, func(parked any) bool {
		switch p := parked.(type) {
		case *putRequest:
			return p.Call == in.Call
		case *getRequest:
			return p.Call == in.Call
		}
		return false
	})
	return nil, nil
}
