package kvbucket

import (
	"slices"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func checkReplay(in *replayRequest) error {
	return checkAll(checkBucket(in.Bucket), checkFilters(len(in.Keys)+len(in.Ranges)))
}

// replay answers one page of a watch.
func replay(v *engine.View, in *replayRequest) (any, error) {
	p, err := v.Replay(in.scan())
	if err != nil {
		return nil, err
	}
	return in.strip(p), nil
}

// scan is what the engine is asked for.
func (r *replayRequest) scan() engine.Replay {
	slices.Sort(r.Keys)
	r.Keys = slices.Compact(r.Keys)
	s := engine.Replay{Bucket: r.Bucket, From: r.From, Start: r.Start, Repair: !r.First}
	if r.Start {
		s.Begun = r.Begun
	}
	if len(r.Ranges) == 0 {
		s.Keys = r.Keys
		return s
	}
	spans := merge(r.Ranges)
	s.Key = func(key string) bool {
		_, is := slices.BinarySearch(r.Keys, key)
		return is || spans.contain(key)
	}
	return s
}

// strip takes out of a page what the reader does not want to see: kinds,
// values.
func (r *replayRequest) strip(p *bus.Page) *bus.Page {
	p.Changes = slices.DeleteFunc(p.Changes, func(c *bus.Change) bool { return !r.Kinds.has(c.Op) })
	if r.KeysOnly {
		for i, c := range p.Changes {
			p.Changes[i] = bare(c)
		}
	}
	return p
}

// bare is the change without its value.
func bare(c *bus.Change) *bus.Change {
	b := *c
	b.Value = nil
	return &b
}
