package lwj

import (
	"slices"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func checkReplayRequest(in *ReplayRequest) error {
	if in.Single && len(in.IDs) != 1 {
		return usage("the transitions of one job are asked for, and %d named", len(in.IDs))
	}
	return checkIDs(in.IDs)
}

// replay returns the changes of jobs in commit order.
func replay(v *engine.View, in *ReplayRequest) (any, error) {
	r := engine.Replay{Bucket: Bucket, From: in.From, Start: in.Start, Since: in.Since, Repair: in.Repair,
		Match: filter{states: in.States}.match}
	if !in.Start { // what of other keys is gone is no gap
		r.Key = isEventKey
	}
	for _, id := range in.IDs {
		r.Keys = appendKeys(r.Keys, v, id, in.Single)
	}
	slices.Sort(r.Keys)
	if in.Single {
		r.Match = nil
	}
	return v.Replay(r)
}

// appendKeys adds the keys of a job whose changes are events.
func appendKeys(keys []string, v *engine.View, id uint64, single bool) []string {
	if single {
		return append(keys, stateKey(id))
	}
	keys = append(keys, specKey(id), stateKey(id))
	for n := lastEvent(v, id); n > 0; n-- {
		keys = append(keys, eventKey(id, n))
	}
	return keys
}

// filter says which changes of the bucket make events that are wanted. Host
// and monitor use the same one. The zero filter wants all of them.
type filter struct {
	ids    map[uint64]bool // nil: all
	states []State         // none: all, and other events too
}

// isEventKey reports whether the changes of a key are events, or come along
// with them.
func isEventKey(key string) bool {
	_, part, ok := parseKey(key)
	return ok && part != partCtl
}

// match reports whether a change is wanted. The spec comes along where the
// first transition of a job may be wanted.
func (f filter) match(c *bus.Change) bool {
	id, part, ok := parseKey(c.Key)
	if !ok || c.Op != bus.OpPut || f.ids != nil && !f.ids[id] {
		return false
	}
	switch {
	case part == partState:
		return f.wantsState(c)
	case part == partSpec:
		return true
	}
	return strings.HasPrefix(part, partEvent) && len(f.states) == 0
}

func (f filter) wantsState(c *bus.Change) bool {
	if len(f.states) == 0 {
		return true
	}
	r, err := decode[StateRecord](c)
	return err == nil && slices.Contains(f.states, r.State)
}
