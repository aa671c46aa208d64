package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/internal/engine"
)

// When memory is short the engine gives up the past of keys before it refuses
// writes. The views still show it: single keys are read there
// (TestK22FromView). What a view cannot prove is as compacted as before.

// shownAt answers a read of what has left memory; compacted is the answer
// where no view shows it.
func shownAt(v *engine.View, in *getRequest, compacted error) engine.Later {
	return func(ctx context.Context) (any, error) {
		past, err := v.Past(ctx, in.Bucket, in.Key)
		if err != nil {
			return nil, compacted
		}
		c, err := past.At(*in.At)
		if err != nil {
			return nil, err
		}
		if c != nil && !in.Bare {
			if c, err = past.Load(ctx, c); err != nil {
				return nil, compacted
			}
		}
		return in.answer(*in.At, c)
	}
}

// shownHistory answers a history of which a part has left memory, or with what
// is in memory, where no view shows more.
func shownHistory(v *engine.View, in *historyRequest) engine.Later {
	return func(ctx context.Context) (any, error) {
		past, err := v.Past(ctx, in.Bucket, in.Key)
		if err != nil {
			return in.answer(v)
		}
		p := pageAt(v.Revision())
		for _, c := range past.History() {
			if c.Revision <= in.After {
				continue
			}
			c, err = past.Load(ctx, c)
			switch {
			case err == nil && p.add(c):
			case err != nil && ctx.Err() == nil: // it has gone: what was before it is no longer proven
				p.Changes, p.bytes = nil, 0
			case len(p.Changes) == 0:
				return in.answer(v)
			default: // the rest can be asked for
				p.Next = 1
				return &p.Page, nil
			}
		}
		return &p.Page, nil
	}
}
