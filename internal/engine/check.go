package engine

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lwjbus/lwjbus/bus"
)

// CheckLog folds the whole log anew and compares the result with the newest
// snapshot: replay(log) == state. It is for tests and for lwj doctor; it reads
// everything. A log that was trimmed has no beginning, and one that lost
// records lacks what a checkpoint saved: nothing is compared then, and whole
// is false.
func (e *Engine) CheckLog(ctx context.Context) (whole bool, err error) {
	first, err := e.cfg.Log.First(ctx)
	if err != nil || first > 1 {
		return false, err
	}
	snap := e.Snapshot()
	f := &Engine{cfg: e.cfg, buckets: e.buckets, once: newOnce(), incarn: 1}
	f.head = newState(e.Bucket)
	_, err = e.cfg.Log.Read(ctx, 1, func(seq uint64, data []byte) error {
		if f.head.revision >= snap.revision {
			return nil // acknowledged after the snapshot was taken
		}
		return f.fold(seq, data, func(h *header) { f.incarn = h.Incarnation })
	})
	if f.incarn > 1 {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, sameKeys(&f.head.keyspace, &snap.keyspace)
}

// sameKeys compares the live keys of two keyspaces.
func sameKeys(fold, state *keyspace) error {
	if fold.revision != state.revision {
		return fmt.Errorf("the log folds to revision %d, the state is at %d", fold.revision, state.revision)
	}
	var err error
	state.Buckets(func(b string) bool {
		n := 0
		state.Range(b, "", nil, func(c *bus.Change) bool {
			n++
			err = sameChange(fold.Get(b, c.Key), c)
			return err == nil
		})
		fold.Range(b, "", nil, func(*bus.Change) bool { n--; return true })
		if err == nil && n != 0 {
			err = fmt.Errorf("bucket %s: the log folds to another number of keys than the state (%+d)", b, n)
		}
		return err == nil
	})
	return err
}

func sameChange(fold, state *bus.Change) error {
	if fold == nil {
		return fmt.Errorf("%s/%s: in the state, not in the fold of the log", state.Bucket, state.Key)
	}
	a, b := *fold, *state
	same := bytes.Equal(a.Value, b.Value)
	a.Value, b.Value = nil, nil
	if !same || fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("%s/%s: the fold of the log is %+v, the state %+v", state.Bucket, state.Key, a, b)
	}
	return nil
}
