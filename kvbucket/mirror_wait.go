package kvbucket

import (
	"context"
	"errors"
	"slices"
	"sort"
)

// errShown ends a wait whose revision the mirror has reached.
var errShown = errors.New("the mirror has come to the revision")

// mirrorWait is a caller that waits for a revision.
type mirrorWait struct {
	revision uint64
	ctx      context.Context // ends with the caller's, when the mirror has come there, or ends
	wake     context.CancelCauseFunc
}

// WaitRevision returns the keys as they are here as soon as the mirror has all
// changes up to revision, those of its own keys; so a writer who waits for the
// revision of its write reads it here (TestMirrorReadsOwnWrites). It does not
// matter whether anything of the mirror has changed, or of its bucket.
//
// Errors: bus.ErrTimeout with the cause when the deadline of ctx passed; the
// cause when ctx was canceled; those of bus.Conn.Call; Err of a mirror that has
// ended without coming there.
func (m *Mirror) WaitRevision(ctx context.Context, revision uint64) (*Snapshot, error) {
	w, s, err := m.enter(ctx, revision)
	if w == nil {
		return s, err
	}
	defer m.leave(w)
	err = WaitRevision(w.ctx, m.conn, revision)
	if err == nil {
		// It is there, and so is its message, or on its way, or lost.
		m.refresh()
		<-w.ctx.Done()
		err = over(w.ctx, "wait for revision %d in a mirror", revision)
	}
	return m.result(w, err)
}

// result is what a wait returns that ended with err.
func (m *Mirror) result(w *mirrorWait, err error) (*Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.revision >= w.revision:
		return m.snapshotLocked(), nil
	case m.err != nil:
		return nil, m.err
	}
	return nil, err
}

// enter begins a wait, unless there is nothing to wait for.
func (m *Mirror) enter(ctx context.Context, revision uint64) (*mirrorWait, *Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revision >= revision {
		return nil, m.snapshotLocked(), nil
	}
	if m.err != nil {
		return nil, nil, m.err
	}
	w := &mirrorWait{revision: revision}
	w.ctx, w.wake = context.WithCancelCause(ctx)
	at := sort.Search(len(m.waits), func(i int) bool { return m.waits[i].revision > revision })
	m.waits = slices.Insert(m.waits, at, w)
	return w, nil, nil
}

func (m *Mirror) leave(w *mirrorWait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.wake(nil)
	if at := slices.Index(m.waits, w); at >= 0 {
		m.waits = slices.Delete(m.waits, at, at+1)
	}
}

// refresh makes the mirror ask the host for what it has missed.
func (m *Mirror) refresh() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.follower.Refresh()
}

// moveLocked has the keys be those of a revision.
func (m *Mirror) moveLocked(revision uint64) {
	m.revision, m.shown = revision, nil
	n := 0
	for n < len(m.waits) && m.waits[n].revision <= revision {
		n++
	}
	m.wakeLocked(n)
}

// wakeLocked ends the first n waits.
func (m *Mirror) wakeLocked(n int) {
	for _, w := range m.waits[:n] {
		w.wake(errShown)
	}
	m.waits = slices.Delete(m.waits, 0, n)
}
