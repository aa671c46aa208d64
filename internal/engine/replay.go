package engine

import (
	"sort"
	"sync"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of one page of a replay. A page goes over them by at most one transaction.
const (
	PageChanges = 1 << 14
	PageBytes   = 2 << 20
)

// Replay says which changes of a bucket are asked for.
type Replay struct {
	Bucket string
	From   uint64 // first revision wanted
	Start  bool   // From is not a claim: begin with the oldest kept
	Begun  uint64 // with Start, the revision of the first page, 0 for that itself: what was forgotten whole since is an error
	Since  int64  // leave out changes made before this wall time, nanoseconds since 1970
	// Repair asks for what a follower missed a moment ago: changes that are no
	// longer among the kept ones of their keys are given as long as they are
	// recent. Without it the kept ones are all there is, exactly.
	Repair bool
	// Keys, when not empty, are the only keys wanted: nothing else is looked at.
	Keys []string
	// Key tells which keys are wanted. Nil: all.
	Key func(key string) bool
	// Match tells which changes of those keys are wanted. Nil: all.
	Match func(c *bus.Change) bool
}

// Replay reads the changes of a bucket in commit order, transactions whole,
// a page at a time.
//
// Errors: bus.ErrCompacted with the first revision that would work, when a
// change that is asked for is no longer kept and Start is not set; CodeUsage
// for a From beyond the revision after the newest, unless Start or Repair is
// set (TestReplayFromFuture).
func (v *View) Replay(r Replay) (*bus.Page, error) {
	if !r.Start && !r.Repair && r.From > v.revision+1 {
		return nil, v.checkRevision(r.From)
	}
	changes, upTo, err := v.changes(r)
	if err != nil {
		return nil, err
	}
	p := &bus.Page{Incarnation: v.Incarnation, Epoch: v.Epoch, Revision: upTo}
	if upTo < v.revision {
		p.Next = upTo + 1
	}
	var bytes int64
	for _, c := range changes {
		if !r.wants(c) {
			continue
		}
		full := len(p.Changes) >= PageChanges || bytes >= PageBytes
		if full && c.Revision != p.Changes[len(p.Changes)-1].Revision {
			p.Next = c.Revision
			return p, nil
		}
		p.Changes = append(p.Changes, c)
		bytes += changeSize(c)
	}
	return p, nil
}

// wants tells whether a change is asked for.
func (r *Replay) wants(c *bus.Change) bool {
	return c.Bucket == r.Bucket && c.Revision >= r.From && c.Time >= r.Since && r.wantsKey(c.Key) && (r.Match == nil || r.Match(c))
}

func (r *Replay) wantsKey(key string) bool {
	if r.Key != nil && !r.Key(key) {
		return false
	}
	if len(r.Keys) == 0 {
		return true
	}
	i := sort.SearchStrings(r.Keys, key)
	return i < len(r.Keys) && r.Keys[i] == key
}

// changes returns at least the asked changes up to a revision, in commit
// order, from where they are cheapest to get.
func (v *View) changes(r Replay) (changes []*bus.Change, upTo uint64, err error) {
	k, ok := v.buckets.Get(r.Bucket)
	if !ok {
		return nil, v.revision, nil
	}
	if recent, ok := v.recent.since(r.From); ok && (r.Repair || k.keep(recent, r)) {
		return recent, v.revision, nil
	}
	if r.Begun != 0 && r.Begun < k.floor {
		return nil, 0, compactedAt(r.From, k.floor+1) // the reader may have a key whose delete is not known any more
	}
	if len(r.Keys) > 0 {
		changes, err = k.changesOf(r)
		return changes, v.revision, err
	}
	if r.Key != nil {
		changes, err = k.changesSince(r, func(fn func(*slot) bool) { k.slots("", nil, fn) })
		return changes, v.revision, err
	}
	if changes, upTo, ok = v.e.scans.get(r); ok {
		return changes, upTo, nil
	}
	changes, err = k.changesSince(r, func(fn func(*slot) bool) { k.slots("", nil, fn) })
	if err == nil {
		v.e.scans.put(r, v.revision, changes)
	}
	return changes, v.revision, err
}

// keep tells whether every wanted change is still among the kept ones.
func (k *keys) keep(changes []*bus.Change, r Replay) bool {
	for _, c := range changes {
		if c.Bucket != r.Bucket || !r.wantsKey(c.Key) {
			continue
		}
		if sl := k.slot(c.Key); sl == nil || sl.oldest().Revision > c.Revision {
			return false
		}
	}
	return true
}

// changesOf collects the changes of the asked keys alone.
func (k *keys) changesOf(r Replay) ([]*bus.Change, error) {
	return k.changesSince(r, func(fn func(*slot) bool) {
		for _, key := range r.Keys {
			if sl := k.slot(key); sl != nil {
				fn(sl)
			}
		}
	})
}

// changesSince collects the kept changes of the slots and sorts them.
func (k *keys) changesSince(r Replay, slots func(func(*slot) bool)) ([]*bus.Change, error) {
	var out []*bus.Change
	var first uint64
	if r.From <= k.floor {
		first = k.floor + 1
	}
	slots(func(sl *slot) bool {
		if sl.cur.Revision < r.From || !r.wantsKey(sl.cur.Key) {
			return true
		}
		if o := sl.oldest(); o.Previous >= max(r.From, 1) {
			first = max(first, o.Previous+1)
		}
		sl.versions(func(c *bus.Change) {
			if c.Revision >= r.From {
				out = append(out, c)
			}
		})
		return true
	})
	if first != 0 && !r.Start {
		return nil, compactedAt(r.From, first)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return a.Revision < b.Revision || a.Revision == b.Revision && a.Part < b.Part
	})
	return out, nil
}

// scanCache keeps the last sorted scan for a while, so that a reader that
// pages through a large bucket does not sort it again for each page.
type scanCache struct {
	mu       sync.Mutex
	bucket   string
	start    bool
	from, to uint64
	changes  []*bus.Change
	used     bool // since the last look of expire
}

// get returns the rest of the kept scan, and the revision it was made at, if
// it begins where r does or before. The reader asks on from that revision.
func (s *scanCache) get(r Replay) ([]*bus.Change, uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == nil || s.bucket != r.Bucket || s.start != r.Start || r.From < s.from || r.From > s.to {
		return nil, 0, false
	}
	s.used = true
	i := sort.Search(len(s.changes), func(i int) bool { return s.changes[i].Revision >= r.From })
	return s.changes[i:], s.to, true
}

func (s *scanCache) put(r Replay, revision uint64, changes []*bus.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket, s.start, s.from, s.to, s.changes, s.used = r.Bucket, r.Start, r.From, revision, changes, true
}

// expire drops a scan that nobody used since the last call.
func (s *scanCache) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used {
		s.changes = nil
	}
	s.used = false
}
