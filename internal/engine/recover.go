package engine

import (
	"context"
	"errors"

	"github.com/lwjbus/lwjbus/bus"
)

// revisionJump is how far a new incarnation jumps past the highest revision
// that was seen, so that no revision of lost records is ever given again.
const revisionJump = 1 << 20

// checkpoints is how many are kept, and tried from the newest on.
const checkpoints = 2

// recover makes the head from the newest sealed checkpoint and the log's tail.
func (e *Engine) recover(ctx context.Context) error {
	e.saver.done = make(chan uint64, 1)
	if err := e.restoreCheckpoint(ctx); err != nil {
		return err
	}
	e.recent.from = e.head.revision + 1
	last, err := e.cfg.Log.Last(ctx)
	if err != nil {
		return err
	}
	if last < e.seq {
		return e.reincarnate(ctx, last, e.head.revision)
	}
	return e.compareShown(ctx) // takeEpoch folds the tail
}

// compareShown looks whether the views have shown what the log has lost
// (TestIncarnationByView).
func (e *Engine) compareShown(ctx context.Context) error {
	if e.cfg.Shown == nil || e.cfg.Checkpoints == nil {
		return nil
	}
	if _, err := e.foldRest(ctx, nil); err != nil {
		return err
	}
	shown, err := e.cfg.Shown(ctx)
	if err != nil || shown <= e.head.revision {
		return err
	}
	return e.reincarnate(ctx, e.seq, shown)
}

// restoreCheckpoint loads the newest checkpoint that can be read, if any.
func (e *Engine) restoreCheckpoint(ctx context.Context) error {
	if e.cfg.Checkpoints == nil {
		return nil
	}
	var broken error
	for nth := range checkpoints {
		h, err := e.loadCheckpoint(ctx, nth)
		switch {
		case err == nil && string(h.Store) != string(e.cfg.StoreID):
			return bus.NewError(bus.CodeStore, "the checkpoint belongs to another store")
		case err == nil:
			e.seq, e.last, e.epoch, e.incarn, e.time0 = h.Sequence, h.Record, h.Epoch, h.Incarnation, h.Time
			e.saver.saved = []uint64{h.Sequence}
			return nil
		case errors.Is(err, ErrNoCheckpoint):
			return e.withoutCheckpoint(ctx, broken)
		case bus.CodeOf(err) == bus.CodeStore && nth == checkpoints-1:
			return err
		}
		e.cfg.Logger.Warn("a checkpoint cannot be read; trying the one before it", "error", err)
		broken = err
	}
	return e.withoutCheckpoint(ctx, broken)
}

// withoutCheckpoint begins with nothing, for the log to be folded from its
// first record. broken is why there is no checkpoint although one was written:
// then a log without records is a loss, not a beginning.
func (e *Engine) withoutCheckpoint(ctx context.Context, broken error) error {
	e.head, e.once = newState(e.buckets), newOnce()
	if broken == nil {
		return nil
	}
	last, err := e.cfg.Log.Last(ctx)
	if err == nil && last == 0 {
		err = bus.NewError(bus.CodeStore, "the log is empty and the checkpoint beside it cannot be read: %v", broken).WithHint("restore a backup, or use another data directory")
	}
	return err
}

// reincarnate goes on after records were lost, which only a store that was
// not synced does: readers are told by the incarnation that revisions they
// have seen may never have been. last is where the log ends, seen the highest
// revision that is known to have been.
func (e *Engine) reincarnate(ctx context.Context, last, seen uint64) error {
	e.cfg.Logger.Error("the log lost records: a new incarnation begins", "known", e.seq, "log", last, "revision", seen)
	e.incarn++
	e.head.revision = seen + revisionJump
	e.recent.from = e.head.revision + 1
	e.seq, e.last = last, 0
	if last > 0 {
		if err := e.readLastID(ctx, last); err != nil {
			return err
		}
	}
	cp := e.headState()
	return e.cfg.Checkpoints.Save(ctx, cp.write)
}

// headState is a checkpoint of the head, before there is a view.
func (e *Engine) headState() *checkpoint {
	e.view.Store(e.snapshot())
	defer e.view.Store(nil)
	return e.ackedState()
}

func (e *Engine) readLastID(ctx context.Context, last uint64) error {
	_, err := e.cfg.Log.Read(ctx, last, func(_ uint64, data []byte) error {
		if ours, err := isRecord(data); err != nil || !ours {
			return err
		}
		err := decodeRecord(data, func(h *header) error { e.last = h.ID; return errStored }, nil)
		if errors.Is(err, errStored) {
			return nil
		}
		return err
	})
	return err
}
