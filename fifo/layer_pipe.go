package fifo

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// work is a pipe while a transaction works on it.
type work struct {
	record
	tx   *engine.Tx
	name string
	id   uint64 // the revision that made it
}

// find reads a pipe's record.
//
// Errors: ErrNotFound; ErrRemoved when id, unless it is 0, is of another pipe
// of that name.
func find(r engine.Reader, in *pipeRequest) (*bus.Change, record, error) {
	c := r.Get(pipeBucket, in.Name)
	switch {
	case in.ID != 0 && (c == nil || c.Created != in.ID):
		return nil, record{}, bus.NewError(bus.CodeRemoved, "pipe %q was removed", in.Name)
	case c == nil:
		return nil, record{}, bus.NewError(bus.CodeNotFound, "no pipe %q", in.Name).WithHint("make it with lwj fifo create")
	}
	rec, ok := decodeRecord(c.Value)
	if !ok {
		return nil, rec, broken("record", in.Name)
	}
	return c, rec, nil
}

func load(tx *engine.Tx, in *pipeRequest) (*work, error) {
	c, rec, err := find(tx, in)
	if err != nil {
		return nil, err
	}
	return &work{record: rec, tx: tx, name: in.Name, id: c.Created}, nil
}

func (w *work) save() { w.tx.Put(pipeBucket, w.name, w.encode()) }

// create makes a pipe, or finds the same.
func create(tx *engine.Tx, in *createRequest) (any, error) {
	rec := record{
		MaxItems: uint64(in.MaxItems), MaxBytes: uint64(in.MaxBytes), MaxDeliver: uint64(in.MaxDeliver),
		AckWait: uint64(max(in.AckWait, 0)) * uint64(time.Millisecond),
		Born:    uint64(tx.Wall().UnixNano()),
	}
	c := tx.Get(pipeBucket, in.Name)
	if c == nil {
		c = tx.Put(pipeBucket, in.Name, rec.encode())
		return describe(tx, c, rec), nil
	}
	there, ok := decodeRecord(c.Value)
	if !ok {
		return nil, broken("record", in.Name)
	}
	if there.limits() != rec.limits() {
		has := there.limits()
		return nil, bus.NewError(bus.CodeExists, "pipe %q exists with other limits: %d items, %d bytes, acknowledged within %v, handed out %d times", in.Name, has.MaxItems, has.MaxBytes, has.AckWait, has.MaxDeliver).
			WithRevision(c.Created).WithHint("remove it first, or ask for the limits that it has")
	}
	return describe(tx, c, there), nil
}

// limits are what the pipe was made with.
func (r *record) limits() Config {
	c := Config{MaxItems: int(r.MaxItems), MaxBytes: int64(r.MaxBytes), AckWait: time.Duration(r.AckWait), MaxDeliver: int(r.MaxDeliver)}
	if r.AckWait == 0 {
		c.AckWait = NoAckWait
	}
	return c
}

// closePipe lets nothing more be put. Whoever waits to put hears of it, and
// whoever waits to get, if nothing is left.
func closePipe(tx *engine.Tx, in *pipeRequest) (any, error) {
	w, err := load(tx, in)
	if err != nil || w.is(flagClosed) {
		return nil, err
	}
	w.Flags |= flagClosed
	w.save()
	tx.Wake(putLine(w.id))
	w.wakeReaders()
	return nil, nil
}

func (w *work) wakeReaders() {
	for l := range lane(lanes) {
		w.tx.Wake(getLine(w.id, l))
	}
}

// openWriter registers the owner as a writer, for as long as it lives.
func openWriter(tx *engine.Tx, in *writerRequest) (any, error) {
	w, err := load(tx, &in.pipeRequest)
	if err != nil {
		return nil, err
	}
	if w.is(flagClosed) {
		return nil, w.closedError()
	}
	o := engine.Owner{ID: in.Owner, Token: in.Token}
	if !registered(tx, o) {
		return nil, noOwner(o)
	}
	tx.PutOwned(writerBucket, partKey(w.id, mainLane, in.Token), []byte(w.name), o)
	if !w.is(flagWritten) {
		w.Flags |= flagWritten
		w.save()
	}
	return nil, nil
}

// writers counts up to most of the writers that are registered.
func writers(r ranger, id uint64, most int) (n int) {
	prefix := pipePrefix(id)
	r.Range(writerBucket, prefix, after(prefix+"\x00"), func(*bus.Change) bool { n++; return n < most })
	return n
}

// ranger is what a Tx and a View have in common.
type ranger interface {
	Range(bucket, from string, to *string, fn func(*bus.Change) bool)
}

func (w *work) closedError() error {
	return bus.NewError(bus.CodeEnded, "pipe %q is closed: it takes nothing more", w.name)
}

// registered tells whether the owner is a session, or another that is
// registered: of those the layer hears when they end, of jobs it does not.
func registered(tx *engine.Tx, o engine.Owner) bool {
	return tx.OwnerAlive(o) && tx.Get(engine.OwnerBucket, o.ID) != nil
}

func noOwner(o engine.Owner) error {
	return bus.NewError(bus.CodeNoOwner, "the session of owner %q has ended", o.ID).WithHint("open another")
}
