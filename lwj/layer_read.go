package lwj

import (
	"slices"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of one answer about jobs; what is beyond comes with the next.
const (
	pageBytes = 4 << 20
	pageScan  = 1 << 16 // ids looked at
	maxRest   = 1 << 19 // ids named for the next request; beyond it every id is looked at
)

func checkShow(in *ShowRequest) error { return checkIDs(in.IDs) }

// show returns jobs by id.
func (l *layer) show(v *engine.View, in *ShowRequest) (any, error) {
	p := l.newPage(v, in.At, 0)
	for i, id := range in.IDs {
		if p.full() {
			p.answer.Rest = in.IDs[i:]
			break
		}
		found, err := p.add(id, nil)
		if err == nil && !found {
			err = noJob(id)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.answer, nil
}

func checkList(in *ListRequest) error {
	for _, s := range in.States {
		if !stateName.MatchString(string(s)) {
			return usage("%q cannot name a state", s)
		}
	}
	if in.Limit < 0 {
		return usage("a list cannot have %d rows", in.Limit)
	}
	if in.At == 0 && (in.From != 0 || len(in.IDs) > 0) {
		return usage("what continues a list names the revision of its first part")
	}
	return checkIDs(in.IDs)
}

// list returns the jobs that match. It looks at active jobs only when those
// are asked for; else at every id there has been, some at a time.
func (l *layer) list(v *engine.View, in *ListRequest) (any, error) {
	p := l.newPage(v, in.At, in.Limit)
	switch {
	case len(in.IDs) > 0:
		return p.candidates(in.IDs, in)
	case in.Active && in.From == 0:
		if ids := activeIDs(v, in.Newest); len(ids) <= maxRest {
			return p.candidates(ids, in)
		}
	}
	return p.scan(in)
}

// activeIDs are the ids of the jobs that are not in a final state.
func activeIDs(v *engine.View, newest bool) (ids []uint64) {
	v.Range(OwnBucket, "", nil, func(c *bus.Change) bool {
		ids = append(ids, ownID(c.Key))
		return true
	})
	slices.Sort(ids)
	if newest {
		slices.Reverse(ids)
	}
	return ids
}

// page collects rows of one answer.
type page struct {
	l      *layer
	v      *engine.View
	limit  int
	bytes  int
	seen   int
	answer JobsAnswer
}

func (l *layer) newPage(v *engine.View, at uint64, limit int) *page {
	if at == 0 {
		at = v.Revision()
	}
	return &page{l: l, v: v, limit: limit, answer: JobsAnswer{Revision: at}}
}

func (p *page) full() bool { return p.bytes >= pageBytes || p.seen >= pageScan }
func (p *page) enough() bool {
	return p.limit > 0 && len(p.answer.Jobs) >= p.limit
}

// candidates adds those of ids that match.
func (p *page) candidates(ids []uint64, in *ListRequest) (any, error) {
	for i, id := range ids {
		if p.enough() {
			break
		}
		if p.full() {
			p.answer.Rest = ids[i:]
			break
		}
		if _, err := p.add(id, in); err != nil {
			return nil, err
		}
	}
	return p.answer, nil
}

// scan adds the jobs that match, from the id where the last page ended.
func (p *page) scan(in *ListRequest) (any, error) {
	last, err := lastID(p.v)
	if err != nil {
		return nil, err
	}
	id, step := max(in.From, 1), uint64(1)
	if in.Newest {
		step = ^uint64(0) // -1
		if id = last; in.From != 0 {
			id = min(in.From, last)
		}
	}
	for ; id >= 1 && id <= last && !p.enough(); id += step {
		if p.full() {
			p.answer.Next = id
			break
		}
		if _, err := p.add(id, in); err != nil {
			return nil, err
		}
	}
	return p.answer, nil
}

// add appends a job if there is one that matches; a nil filter matches all.
func (p *page) add(id uint64, filter *ListRequest) (found bool, err error) {
	p.seen++
	info := Info{ID: id}
	var size [3]int
	if info.Revision, size[0], err = readAt(p, stateKey(id), &info.State); err != nil || info.Revision == 0 {
		return false, err
	}
	if !filter.state(&info.State) {
		return true, nil
	}
	if _, size[1], err = readAt(p, specKey(id), &info.Spec); err != nil {
		return true, err
	}
	if _, size[2], err = readAt(p, ctlKey(id), &info.Control); err != nil {
		return true, err
	}
	if !filter.rest(&info) {
		return true, nil
	}
	if err := p.past(&info); err != nil {
		return true, err
	}
	p.bytes += size[0] + size[1] + size[2]
	p.answer.Jobs = append(p.answer.Jobs, info)
	return true, nil
}

// readAt reads the record of a key at the page's revision; revision 0: none.
func readAt[R any](p *page, key string, into *R) (revision uint64, size int, err error) {
	c, err := p.v.GetAt(p.answer.Revision, Bucket, key)
	if err != nil || c == nil {
		return 0, 0, err
	}
	r, err := decode[R](c)
	if err != nil {
		return 0, 0, err
	}
	*into = *r
	return c.Revision, len(c.Value), nil
}

// past adds what only the transitions before tell: when each state was
// entered, and where the job runs.
func (p *page) past(info *Info) error {
	for _, c := range p.v.History(Bucket, stateKey(info.ID)) {
		if c.Op != bus.OpPut || c.Revision > p.answer.Revision {
			continue
		}
		r, err := decode[StateRecord](c)
		if err != nil {
			return err
		}
		info.Times = slices.DeleteFunc(info.Times, func(e Entered) bool { return e.State == r.State })
		info.Times = append(info.Times, Entered{State: r.State, Time: c.Time})
		info.locate(r)
	}
	return nil
}

// locate takes from a transition where the job runs; pids count until the
// job ends or waits for another owner.
func (i *Info) locate(r *StateRecord) {
	if r.State == Submitted || r.State == Reserved {
		i.Host, i.Pids = "", nil
	}
	if r.State.Final() {
		i.Pids = nil
	}
	if r.Detail == nil {
		return
	}
	if r.Detail.Host != "" {
		i.Host = r.Detail.Host
	}
	if len(r.Detail.Pids) > 0 && !r.State.Final() {
		i.Pids = r.Detail.Pids
	}
}

// state is the part of the filter that needs the state only.
func (in *ListRequest) state(r *StateRecord) bool {
	return in == nil || (len(in.States) == 0 || slices.Contains(in.States, r.State)) && (!in.Dead || r.State == Failed)
}

// rest is the other part.
func (in *ListRequest) rest(i *Info) bool {
	if in == nil {
		return true
	}
	if in.Active && i.Final() || in.Group != nil && *in.Group != i.Spec.Group {
		return false
	}
	if in.Dead && int64(i.State.Attempt) <= int64(i.Spec.Retries) {
		return false
	}
	for k, v := range in.Labels {
		if have, ok := i.Spec.Labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}
