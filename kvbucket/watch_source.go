package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// source is where the changes of a watch come from: the subject of one key, or
// the feed of its bucket. The subject hands over to the feed at a revision:
// what is above it counts only when it comes from the feed.
type source struct {
	now       *bus.Follower
	key       string             // that now follows; "": it is the feed
	told      uint64             // revision of the last batch of now
	interrupt context.CancelFunc // ends a wait for now, of a key only
	next      *bus.Follower      // the feed, which relieves now; nil: there is none
	at        uint64             // when now has told everything up to here
	skip      uint64             // the one before now has told everything up to here
	old       *bus.Follower      // has been relieved and is to be closed
}

func (s *source) followers() (all []*bus.Follower) {
	for _, f := range []*bus.Follower{s.old, s.now, s.next} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// follow follows a key, or the feed for "". With now it begins at the newest
// revision and returns that.
func (w *Watch) follow(ctx context.Context, key string, from uint64, start, now bool) (f *bus.Follower, revision uint64, err error) {
	conn, o := w.bucket.conn, &w.options
	cfg := bus.FollowConfig{
		Bucket: w.bucket.name, From: from, Start: start, Now: now, Replay: w.replay, Match: w.match,
		Progress: o.progress, MaxEvents: o.events, MaxBytes: o.bytes,
	}
	if key != "" {
		cfg.Subject, cfg.Progress = conn.Names().Key(w.bucket.name, key), true // to know when it can be relieved
	}
	if now {
		cfg.Replay = func(ctx context.Context, from uint64) (*bus.Page, error) {
			if from != bus.FromNow {
				return w.replay(ctx, from)
			}
			p := new(bus.Page)
			err := conn.Call(ctx, verbReplay, &replayRequest{Bucket: w.bucket.name, From: from}, p, bus.Read())
			revision = p.Revision
			return p, err
		}
	}
	f, err = conn.Follow(ctx, cfg)
	return f, revision, err
}

// receive returns the next batch that counts.
func (w *Watch) receive(ctx context.Context) (bus.Batch, error) {
	for {
		f, wait, stop := w.turn(ctx)
		b, err := f.Next(wait)
		interrupted := wait.Err() != nil && ctx.Err() == nil
		stop()
		switch {
		case err != nil && interrupted && w.ctx.Err() == nil:
		case err != nil:
			return b, err
		case w.counts(&b):
			return b, nil
		}
	}
}

// turn returns whom to ask now, and a context that Add can end.
func (w *Watch) turn(ctx context.Context) (f *bus.Follower, wait context.Context, stop context.CancelFunc) {
	w.retire()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil && w.told >= w.at {
		w.relieve()
	}
	if w.key == "" {
		return w.now, ctx, func() {}
	}
	wait, stop = context.WithCancel(ctx)
	w.interrupt = stop
	return w.now, wait, stop
}

// relieve makes next the source. The watch is locked, and its Next runs this.
func (w *Watch) relieve() {
	w.source = source{now: w.next, told: w.at, skip: w.at, old: w.now}
	w.request.First, w.request.Start = false, false
}

// retire closes the source that has been relieved.
func (w *Watch) retire() {
	w.mu.Lock()
	old := w.old
	w.mu.Unlock()
	if old == nil {
		return
	}
	old.Close() // Watch.Close may do so as well
	w.mu.Lock()
	w.old = nil
	w.mu.Unlock()
}

// counts tells whether a batch is one to return: the source before has not
// told it, and the one after will not.
func (w *Watch) counts(b *bus.Batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = max(w.told, b.Revision)
	switch {
	case w.next != nil && b.Revision > w.at:
		return false
	case b.Revision > w.skip:
		return true
	case b.CaughtUp:
		b.Revision = w.skip
		return true
	}
	return false
}
