package lwj

import (
	"strconv"
	"strings"

	"github.com/lwjbus/lwjbus/internal/engine"
)

// owner is the Owner of the layer: jobs own keys (TestJobOwns). Their token is
// the revision that made the job.
func (l *layer) owner(r engine.Reader, name string) (token uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, jobOwner)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || JobOwner(id) != name {
		return 0, false
	}
	return l.token(r, id)
}

// token is the fencing token of a job that lives.
func (l *layer) token(r reader, id uint64) (token uint64, ok bool) {
	spec, ctl, state := r.Get(Bucket, specKey(id)), r.Get(Bucket, ctlKey(id)), r.Get(Bucket, stateKey(id))
	if spec == nil || ctl == nil || state == nil {
		return 0, false
	}
	c, err := decode[Control](ctl)
	if err != nil {
		return 0, false
	}
	s, err := decode[StateRecord](state)
	if err != nil {
		return 0, false
	}
	m, err := l.machineOf(r, id, c)
	return spec.Created, err == nil && !m.Final(s.State)
}

// endOwned deletes what a job that has ended owns.
func (j *job) endOwned() {
	if spec := j.tx.Get(Bucket, specKey(j.id)); spec != nil {
		j.tx.EndOwned(engine.Owner{ID: JobOwner(j.id), Token: spec.Created})
	}
}
