package kvbucket

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Pauses between two tries of a mirror to read everything again are drawn
// from this interval.
const (
	minReload = 50 * time.Millisecond
	maxReload = 500 * time.Millisecond
)

// errLoaded ends the wait for changes while the pages are read.
var errLoaded = errors.New("the pages are read")

// mirrorLoad reads a mirror's part of a bucket while it changes: pages, each at
// a revision of its own, and beside them what changes, of each key the last
// change. When the changes have come to the newest page's revision, the pages
// with those changes made are the bucket at the revision of the last one:
// whatever a page missed or had too early is among them. So no history is
// needed, however fast the keys change (TestMirrorLoadsHotKeys).
type mirrorLoad struct {
	m        *Mirror
	follower *bus.Follower
	from     uint64 // the changes above it are in late

	copy   *mirrorCopy
	newest uint64 // revision of the newest page
	pages  error  // of reading them

	late      map[string]*Entry
	lateBytes int64
	told      uint64 // up to which late has everything
}

// load reads everything; the follower goes on from where the load has ended.
func (m *Mirror) load(ctx context.Context) (*mirrorLoad, error) {
	f, err := m.follow(ctx)
	if err != nil {
		return nil, err
	}
	l := &mirrorLoad{m: m, follower: f, copy: &mirrorCopy{bucket: m.bucket}, late: map[string]*Entry{}}
	if err := l.run(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// reload loads until it succeeds or cannot.
func (m *Mirror) reload(ctx context.Context) (*mirrorLoad, error) {
	for {
		l, err := m.load(ctx)
		switch {
		case err == nil:
			return l, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !passing(err):
			return nil, err
		}
		t := time.NewTimer(minReload + rand.N(maxReload-minReload))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// passing tells whether a load that failed may succeed later.
func passing(err error) bool {
	switch bus.CodeOf(err) {
	case bus.CodeCompacted, bus.CodeUnreachable, bus.CodeTimeout, bus.CodeNotActive, bus.CodeOverloaded:
		return true
	}
	return false
}

func (l *mirrorLoad) run(ctx context.Context) error {
	mark, err := l.follower.Next(ctx) // that it has caught up: it follows from now on
	if err != nil {
		return err
	}
	l.from, l.told = mark.Revision, mark.Revision
	if err := l.readBeside(ctx); err != nil {
		return err
	}
	if l.told < l.newest {
		l.follower.Refresh()
	}
	if err := l.collect(ctx, l.newest); err != nil {
		return err
	}
	for _, e := range l.late {
		l.copy.apply(e)
	}
	return l.m.room(l.copy.bytes)
}

// readBeside reads the pages and collects what changes meanwhile.
func (l *mirrorLoad) readBeside(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var reader sync.WaitGroup
	reader.Go(func() { // ends with the pages or ctx
		l.pages = l.read(ctx)
		cancel(errLoaded)
	})
	err := l.collect(ctx, math.MaxUint64)
	cancel(err)
	reader.Wait()
	if errors.Is(err, errLoaded) {
		return l.pages
	}
	return err
}

// read reads the pages of each range.
func (l *mirrorLoad) read(ctx context.Context) error {
	for _, r := range l.m.ranges {
		if err := l.readRange(ctx, &rangeRequest{Bucket: l.m.bucket, From: r.From, To: r.To}); err != nil {
			return err
		}
	}
	return nil
}

func (l *mirrorLoad) readRange(ctx context.Context, in *rangeRequest) error {
	for more := true; more; {
		var p page
		if err := l.m.conn.Call(ctx, verbRange, in, &p.Page, bus.Read()); err != nil {
			return err
		}
		if p.Revision < l.from {
			return bus.NewError(bus.CodeNotActive, "a page at revision %d, read after revision %d", p.Revision, l.from)
		}
		for _, c := range p.Changes {
			l.copy.load(c)
		}
		if err := l.m.room(l.copy.bytes); err != nil {
			return err
		}
		l.newest = max(l.newest, p.Revision)
		if more = p.Next != 0 && len(p.Changes) > 0; more {
			in.From = after(p.last().Key)
		}
	}
	return nil
}

// collect takes what changes until it has come to a revision.
func (l *mirrorLoad) collect(ctx context.Context, revision uint64) error {
	for l.told < revision {
		b, err := l.follower.Next(ctx)
		if err != nil {
			return err
		}
		for _, c := range b.Changes {
			l.note(c)
		}
		if err := l.m.room(l.lateBytes); err != nil {
			return err
		}
		l.told = b.Revision
	}
	return nil
}

func (l *mirrorLoad) note(c *bus.Change) {
	if old := l.late[c.Key]; old != nil {
		l.lateBytes -= mirrorSize(old.Key, old.Owner, old.Value)
	}
	l.late[c.Key] = l.copy.entry(c)
	l.lateBytes += mirrorSize(c.Key, c.Owner, c.Value)
}
