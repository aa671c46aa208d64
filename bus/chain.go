package bus

// chain decides what a follower may hand on: it knows up to which revision
// every change of its subject has been seen, and takes a live message only if
// it joins on. It does no I/O; the follower acts on what it says.
//
// Invariant: every change of the subject with from <= revision <= known has
// been returned by offer or page, once, in commit order.
type chain struct {
	known       uint64
	epoch       uint64
	incarnation uint64 // of the first page
	begun       bool   // there has been a page
}

// verdict is what a live message is to a follower.
type verdict uint8

const (
	joined verdict = iota // its changes are the next ones
	stale                 // nothing in it is new
	gapped                // something before it is missing: read a page first
)

// offer judges a live message and returns those of its changes to hand on.
func (c *chain) offer(f *Feed) ([]*Change, verdict) {
	if !c.begun {
		return nil, gapped
	}
	if f.Incarnation != 0 && f.Incarnation != c.incarnation {
		return nil, c.foreign(f)
	}
	last := f.Previous
	if n := len(f.Changes); n > 0 {
		last = f.Changes[n-1].Revision
	}
	switch {
	case f.Epoch > c.epoch:
		// Once for each epoch: whoever published before may have left a gap
		// that the new publisher does not know of.
		c.epoch = f.Epoch
		return nil, gapped
	case last <= c.known:
		return nil, stale
	case f.Previous > c.known, f.Epoch != 0 && f.Epoch < c.epoch:
		return nil, gapped
	}
	fresh := above(f.Changes, c.known)
	c.known = last
	return fresh, joined
}

// foreign judges a message of another incarnation: a page tells which is the
// store's, but an older one needs none.
func (c *chain) foreign(f *Feed) verdict {
	if f.Incarnation < c.incarnation {
		return stale
	}
	return gapped
}

// page takes the answer to a replay from known+1 and returns the changes to
// hand on, and whether another page follows.
//
// Errors: CodeCompacted for another incarnation, CodeMalformed for a page
// that would not bring the reader further or is out of order.
func (c *chain) page(p *Page) (fresh []*Change, more bool, err error) {
	if c.begun && p.Incarnation != c.incarnation {
		return nil, false, NewError(CodeCompacted, "the store has lost records and begun incarnation %d, this reader has followed %d",
			p.Incarnation, c.incarnation).WithRevision(p.Revision).WithHint("read everything again")
	}
	end := p.Revision
	if p.Next != 0 {
		if p.Next <= c.known+1 {
			return nil, false, NewError(CodeMalformed, "a page from %d that goes on at %d", c.known+1, p.Next)
		}
		end = p.Next - 1
	}
	if !inOrder(p.Changes, end) {
		return nil, false, NewError(CodeMalformed, "a page up to %d that is not in commit order", end)
	}
	fresh = above(p.Changes, c.known)
	c.begun, c.incarnation, c.epoch = true, p.Incarnation, max(c.epoch, p.Epoch)
	c.known = max(c.known, end)
	return fresh, p.Next != 0, nil
}

// above returns the changes after revision r; they are in commit order.
func above(changes []*Change, r uint64) []*Change {
	for i, c := range changes {
		if c.Revision > r {
			return changes[i:]
		}
	}
	return nil
}

func inOrder(changes []*Change, end uint64) bool {
	last := uint64(0)
	for _, c := range changes {
		if c.Revision < last || c.Revision > end {
			return false
		}
		last = c.Revision
	}
	return true
}

// transaction returns the changes of the first revision in changes, and the rest.
func transaction(changes []*Change) (first, rest []*Change) {
	i := 1
	for i < len(changes) && changes[i].Revision == changes[0].Revision {
		i++
	}
	return changes[:i:i], changes[i:]
}
