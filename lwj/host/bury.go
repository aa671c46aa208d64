package host

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/proc"
)

// verbEndOwner ends the registration of an owner: see the engine.
const verbEndOwner = "owner.end"

// bury ends the leases of owners whose process was on this machine and is gone
// (TestHostBuriesTheKilled). A start gives every lease its full time again, so
// where each command is the host for a moment none would ever end. An owner
// that cannot be ended keeps its lease.
func (h *Host) bury(ctx context.Context) error {
	gone := h.gone()
	answers := make(chan *bus.Response, len(gone))
	for _, o := range gone { // at once: they share a round
		body, err := bus.Marshal(o)
		if err != nil {
			return err
		}
		h.engine.Submit("", verbEndOwner, &bus.Request{Body: body}, func(res *bus.Response) { answers <- res })
	}
	for range gone {
		select {
		case res := <-answers:
			if res.Error != nil {
				h.cfg.Logger.Warn("the lease of a process that is gone was not ended", "error", res.Error)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// gone are the owners whose process is gone for certain. Ids that begin with
// "_" are the engine's own, and may be many: they are not looked at.
func (h *Host) gone() (out []engine.EndOwner) {
	add := func(c *bus.Change) bool {
		var r engine.Registration
		if bus.Unmarshal(c.Value, &r) == nil && !r.Ending && proc.Gone(r.Info) {
			out = append(out, engine.EndOwner{ID: c.Key, Token: c.Created})
		}
		return true
	}
	own, behind := "_", "`" // the bytes "_" and the one after it
	s := h.engine.Snapshot()
	s.Range(engine.OwnerBucket, "", &own, add)
	s.Range(engine.OwnerBucket, behind, nil, add)
	return out
}
