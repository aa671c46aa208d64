package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// Pauses between two tries to settle a doubt.
const (
	settlePauseMin = 5 * time.Millisecond
	settlePauseMax = time.Second
)

// errDeposed ends an engine that found another one's epoch in the log.
var errDeposed = bus.NewError(bus.CodeNotActive, "another engine took over the log")

// takeEpoch folds the log to its end and appends an epoch record on condition
// that this is the end, until one is acknowledged or read back. It is the one
// way to start, to take over and to settle a doubt: a record that is found is
// stored; one that is not found below this engine's epoch record is dead.
func (e *Engine) takeEpoch(ctx context.Context) error {
	e.settles = true
	defer func() { e.settles = false }()
	defer e.unstuck()
	tries := map[uint64]bool{} // ids of the epoch records that were sent
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = settlePauseMin, settlePauseMax
	for {
		found, err := e.foldRest(ctx, tries)
		if err == nil && found {
			return nil
		}
		if err == nil {
			err = e.appendEpoch(ctx, tries)
		}
		if err == nil || isFatal(err) {
			return err
		}
		e.stuck(ctx, err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle the log: %w: %w", context.Cause(ctx), err)
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// stuck is called after a try that settled nothing. A definite refusal is no
// fault of the server's: the store is full, so records that no recovery needs
// are dropped, and writes fail with that reason until there is room.
func (e *Engine) stuck(ctx context.Context, err error) {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		e.doubt(err)
		return
	}
	full := bus.NewError(bus.CodeFull, "the log takes no record: %v", refused).WithHint("free space in the store")
	if e.refuse.CompareAndSwap(nil, full) {
		e.full = full
		e.cfg.Logger.Error("the log takes no record", "error", err)
	}
	if len(e.saver.saved) == 0 {
		return
	}
	if err := e.cfg.Log.Trim(ctx, e.saver.saved[0]); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Warn("the log was not trimmed", "error", err)
	}
}

// unstuck takes back what stuck said.
func (e *Engine) unstuck() {
	if e.full != nil {
		e.refuse.CompareAndSwap(e.full, nil)
		e.full = nil
	}
}

// isFatal tells an error that trying again cannot mend.
func isFatal(err error) bool {
	return errors.Is(err, ErrHole) || errors.Is(err, errDeposed) || bus.CodeOf(err) == bus.CodeStore
}

// foldRest folds what the log has beyond the newest folded record, and tells
// whether the last of it is one of our own epoch records.
func (e *Engine) foldRest(ctx context.Context, tries map[uint64]bool) (found bool, err error) {
	last, err := e.cfg.Log.Last(ctx)
	if err != nil {
		return false, err
	}
	if last < e.seq {
		return false, bus.NewError(bus.CodeStore, "the log ends at record %d, but record %d was acknowledged", last, e.seq).
			WithHint("the store lost data; restore a backup, or start the host again to go on with a new incarnation")
	}
	if last == e.seq {
		return false, nil
	}
	_, err = e.cfg.Log.Read(ctx, e.seq+1, func(seq uint64, data []byte) error {
		found = false
		return e.fold(seq, data, func(h *header) { found = tries[h.ID] })
	})
	return found, err
}

// appendEpoch appends an epoch record behind the newest folded record.
func (e *Engine) appendEpoch(ctx context.Context, tries map[uint64]bool) error {
	e.turn()
	h := &header{
		Kind: kindEpoch, Store: e.cfg.StoreID, Incarnation: e.incarn, Epoch: e.epoch + 1, ID: rand.Uint64() | 1, Previous: e.last,
		Revision: e.ackedRevision(), Time: e.now, Wall: e.wall, Writer: e.id,
	}
	data, err := sealRecord(h, nil)
	if err != nil {
		return err
	}
	tries[h.ID] = true
	done := make(chan ack, 1)
	e.cfg.Log.Append(e.seq, data, func(seq uint64, err error) { done <- ack{h.ID, seq, err} })
	select {
	case a := <-done:
		if a.err == nil {
			e.seq, e.last, e.epoch = a.seq, h.ID, h.Epoch
		}
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ackedRevision is the revision of the newest acknowledged transaction.
func (e *Engine) ackedRevision() uint64 {
	if s := e.view.Load(); s != nil {
		return s.revision
	}
	return e.head.revision
}

// settle finds out what became of the record in flight. The log alone knows.
func (e *Engine) settle(cause error) {
	e.doubt(cause)
	if err := e.takeEpoch(e.ctx); err != nil {
		if e.ctx.Err() == nil {
			e.fail(err)
		}
		return
	}
	if e.flying {
		e.unwind(e.rounds) // below our epoch record and not found: dead
	}
	e.leases.extend(e.engineTime())
}

// doubt tells the host that the log does not answer as it should.
func (e *Engine) doubt(err error) {
	e.cfg.Logger.Warn("a write to the log is in doubt", "error", err)
	if e.cfg.OnDoubt != nil {
		e.cfg.OnDoubt(err)
	}
}

// fail stops the engine.
func (e *Engine) fail(err error) {
	e.cfg.Logger.Error("the engine stops", "error", err)
	e.err = err
}

// fold takes up one record that is in the log. each sees its header.
func (e *Engine) fold(seq uint64, data []byte, each func(*header)) error {
	ours, err := isRecord(data)
	if err != nil {
		return err
	}
	if !ours {
		e.cfg.Logger.Error("a foreign message stands in the log and is passed over", "sequence", seq, "bytes", len(data))
		e.seq = seq
		return nil
	}
	err = decodeRecord(data, func(h *header) error {
		each(h)
		return e.foldHeader(seq, h, len(data))
	}, e.foldTxn)
	if errors.Is(err, errStored) {
		return nil
	}
	if err == nil {
		e.head.tidy()
	}
	return err
}

// foldHeader checks that a record follows the one before it.
func (e *Engine) foldHeader(seq uint64, h *header, size int) error {
	switch {
	case string(h.Store) != string(e.cfg.StoreID):
		return bus.NewError(bus.CodeStore, "record %d belongs to another store", seq)
	case h.Previous != e.last:
		return bus.NewError(bus.CodeStore, "record %d does not follow the record before it", seq)
	case h.Incarnation < e.incarn || h.Epoch < e.epoch:
		return bus.NewError(bus.CodeStore, "record %d is of an older epoch than the record before it", seq)
	}
	e.saver.logged += int64(size)
	if h.Kind == kindRound && e.flying && h.ID == e.rounds[0].id {
		e.stored(seq)
		return errStored
	}
	if e.view.Load() != nil && h.Writer != e.id {
		return errDeposed
	}
	if h.Revision != e.head.revision && h.Kind == kindRound {
		return bus.NewError(bus.CodeStore, "record %d begins at revision %d, not %d", seq, h.Revision, e.head.revision)
	}
	e.seq, e.last, e.epoch, e.incarn = seq, h.ID, h.Epoch, h.Incarnation
	if e.view.Load() == nil {
		e.time0, e.start, e.now, e.wall = max(e.time0, h.Time), time.Now(), h.Time, h.Wall
	}
	return nil
}

// errStored ends the decoding of a record whose changes are in the head already.
var errStored = errors.New("stored")

// foldTxn applies one transaction of a record.
func (e *Engine) foldTxn(t *txnRecord) error {
	tx := &Tx{s: e.head, user: t.user, clock: t.clock, now: e.now, wall: e.wall}
	if t.revision != tx.Revision() {
		return bus.NewError(bus.CodeStore, "revision %d follows revision %d in the log", t.revision, e.head.revision)
	}
	for i := range t.effects {
		tx.write(t.effects[i].change())
	}
	tx.commit()
	e.head.bury(tx.changes)
	e.recent.add(tx.changes)
	if len(t.request) == len(requestID{}) {
		e.once.add(answered{id: requestID(t.request), revision: t.revision, time: e.now, answer: t.answer})
	}
	return nil
}
