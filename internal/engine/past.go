package engine

import (
	"context"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxLooks bounds the reads that look into the views at the same time; others
// wait for them.
const MaxLooks = 16

// Past is what is known of a key: its changes in memory and, before those,
// the ones that only a view still shows, as far as the chain of
// bus.Change.Previous proves them. They are never more than the bucket keeps
// (TestPastFromView).
type Past struct {
	keys  *keys
	slot  *slot
	shown map[uint64]*Showing
	from  uint64 // the first revision that is in memory
	view  Shower
}

// Shed tells whether changes of a key above a revision have left memory
// although its bucket keeps as many: a view may still show them. See Past.
func (v *View) Shed(bucket, key string, after uint64) bool {
	k, sl := v.slotOf(bucket, key)
	_, shows := v.e.project.(Shower)
	return shows && k != nil && sl != nil && sl.oldest().Previous > after && v.room(bucket, sl) > 0
}

func (v *View) slotOf(bucket, key string) (*keys, *slot) {
	k, ok := v.buckets.Get(bucket)
	if !ok {
		return nil, nil
	}
	return k, k.slot(key)
}

// room is how many changes a bucket keeps before those of a slot.
func (v *View) room(bucket string, sl *slot) int {
	b := v.e.Bucket(bucket)
	if b.Transient {
		return 0
	}
	return b.History - len(sl.older) - 1
}

// Past asks the view of a key's bucket for changes that have left memory.
//
// Errors: those of the view, and of ctx: then nothing is known but what is in
// memory.
func (v *View) Past(ctx context.Context, bucket, key string) (*Past, error) {
	select {
	case v.e.looks <- struct{}{}:
		defer func() { <-v.e.looks }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	k, sl := v.slotOf(bucket, key)
	view, ok := v.e.project.(Shower)
	if !ok || sl == nil {
		return nil, bus.NewError(bus.CodeNotFound, "no view shows more of key %.64q", key)
	}
	shown, err := view.Shown(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	whole := &slot{cur: sl.cur, older: append(proven(shown, sl.oldest(), v.room(bucket, sl)), sl.older...)}
	return &Past{keys: k, slot: whole, shown: shown, from: sl.oldest().Revision, view: view}, nil
}

// proven returns the changes before c that are shown, oldest first, at most
// room: each must be what the one after it says that it follows.
func proven(shown map[uint64]*Showing, c *bus.Change, room int) (older []*bus.Change) {
	for ; room > 0 && c.Previous != 0; room-- {
		s := shown[c.Previous]
		if s == nil || !follows(c, s.Change) {
			break
		}
		older, c = append(older, s.Change), s.Change
	}
	slices.Reverse(older)
	return older
}

// follows tells whether c can be the change of its key that came after before.
func follows(c, before *bus.Change) bool {
	switch {
	case c.Previous != before.Revision || before.Previous >= before.Revision || before.Created > before.Revision:
		return false
	case c.Op == bus.OpPut && c.Version == 1:
		return before.Op == bus.OpDelete
	case c.Op == bus.OpDelete:
		return before.Op == bus.OpPut && before.Created == c.Created
	}
	return before.Op == bus.OpPut && before.Created == c.Created && before.Version+1 == c.Version
}

// At is View.GetAt of the key. The change may lack its value: see Load.
func (p *Past) At(rev uint64) (*bus.Change, error) { return p.keys.at(p.slot, rev) }

// History is View.History of the key. The changes may lack their values: see Load.
func (p *Past) History() []*bus.Change { return append(slices.Clone(p.slot.older), p.slot.cur) }

// Load returns a change of the past with its value.
//
// Errors: those of the view; it may have lost the change meanwhile.
func (p *Past) Load(ctx context.Context, c *bus.Change) (*bus.Change, error) {
	if c.Revision >= p.from {
		return c, nil
	}
	return p.view.Read(ctx, p.shown[c.Revision])
}
