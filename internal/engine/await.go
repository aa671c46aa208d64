package engine

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// WaitKey is a key that somebody waits for.
type WaitKey struct{ Bucket, Key string }

// AwaitAny returns the newest snapshot once one of the keys has a change with
// a revision above after in it, or has gone without a trace since v, as keys
// of transient buckets do; or when ctx has ended. Nobody is woken for other
// keys, and no change is missed: the wait begins before the look
// (TestAwaitAny).
//
// Errors: the cause of the end of ctx; bus.ErrClosed.
func (v *View) AwaitAny(ctx context.Context, keys []WaitKey, after uint64) (*View, error) {
	ch, cancel := v.e.waiters.any(keys)
	defer cancel()
	return v.await(ctx, ch, func(s *Snapshot) bool { return s.anyChanged(keys, after, v.Snapshot) })
}

// anyChanged tells whether one of the keys has a change above a revision, or
// was in an older snapshot and has left no trace.
func (s *Snapshot) anyChanged(keys []WaitKey, after uint64, old *Snapshot) bool {
	for _, k := range keys {
		if s.changedSince(k.Bucket, k.Key, after) || s.find(k) == nil && old.find(k) != nil {
			return true
		}
	}
	return false
}

// find returns the slot of a key, or nil.
func (s *Snapshot) find(k WaitKey) *slot {
	keys, ok := s.buckets.Get(k.Bucket)
	if !ok {
		return nil
	}
	return keys.slot(k.Key)
}

// OwnerKeys is Owner with the keys that its answer follows from: it holds until
// one of them changes.
func (v *View) OwnerKeys(id string) (o Owner, ok bool, keys []WaitKey) {
	t := tracer{of: v}
	o, ok = ownerOf(&t, v.e.virtual, id)
	return o, ok, t.keys
}

// tracer is a Reader that remembers what was read.
type tracer struct {
	of   Reader
	keys []WaitKey
}

// Get makes it a Reader.
func (t *tracer) Get(bucket, key string) *bus.Change {
	t.keys = append(t.keys, WaitKey{bucket, key})
	return t.of.Get(bucket, key)
}
