package lwj

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// keysPerJob is how many keys settling one job writes, with what the layers
// that are told of its transition may write.
const keysPerJob = 6

// ownerEnded settles the jobs of an owner that is gone: cancelled if that was
// asked for, submitted if a retry is left, else failed; reason lost.
func (l *layer) ownerEnded(tx *engine.Tx, owner string, token uint64, limit int) (more bool) {
	var ids []uint64
	from, to := ownRange(owner)
	tx.Range(OwnBucket, from, to, func(c *bus.Change) bool {
		if len(ids) >= max(1, limit/keysPerJob) {
			more = true
			return false
		}
		ids = append(ids, ownID(c.Key))
		return true
	})
	for _, id := range ids {
		l.lose(tx, id, engine.Owner{ID: owner, Token: token})
	}
	return more
}

// lose takes one job from an owner that is gone. A job that cannot be read is
// left as it is, but for its index key, so that the owner can end.
func (l *layer) lose(tx *engine.Tx, id uint64, o engine.Owner) {
	j, err := l.load(tx, id)
	if err != nil || j.ctl.Owner != o.ID || j.ctl.Token != o.Token {
		tx.Delete(OwnBucket, ownKey(o.ID, id), bus.ReasonOwnerGone)
		return
	}
	detail := &Detail{Reason: ReasonLost, Error: "the owner " + o.ID + " is gone"}
	for _, to := range j.fates() {
		if to == Cancelled {
			detail = &Detail{Reason: j.ctl.Cancel.Reason, Error: detail.Error}
		}
		if j.enter(to, detail) == nil {
			return
		}
	}
	j.index(engine.Owner{}, false) // its machine has no such state: it waits for somebody to cancel it
	if j.putControl() != nil {
		tx.Delete(OwnBucket, ownKey(o.ID, id), bus.ReasonOwnerGone)
	}
}

// fates are the states that a lost job may go to, the best first.
func (j *job) fates() []State {
	if j.ctl.Cancel != nil {
		return []State{Cancelled, Failed}
	}
	if left, err := j.retryLeft(); err == nil && left {
		return []State{Submitted, Failed}
	}
	return []State{Failed}
}

// owned returns the control records of an owner's jobs.
func owned(v *engine.View, in *OwnedRequest) (any, error) {
	answer := OwnedAnswer{Revision: v.Revision()}
	var err error
	from, to := ownRange(in.Owner)
	v.Range(OwnBucket, from, to, func(c *bus.Change) bool {
		ctl := v.Get(Bucket, ctlKey(ownID(c.Key)))
		if ctl == nil || ctl.Revision <= in.Since {
			return true
		}
		var r *Control
		if r, err = decode[Control](ctl); err != nil {
			return false
		}
		answer.Jobs = append(answer.Jobs, Owned{ID: ownID(c.Key), Revision: ctl.Revision, Control: *r})
		return true
	})
	return answer, err
}
