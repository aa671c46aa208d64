package engine

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// ProjectInto makes the Config.Projector of an engine whose views are KV
// buckets on nc, a connection of its own, opened with nats.NoEcho().
func ProjectInto(nc *nats.Conn, store string, replicas int, logger *slog.Logger) func(*Engine) (Projector, error) {
	return func(e *Engine) (Projector, error) {
		return NewProjector(ProjectorConfig{
			NATS: nc, Names: e.names, Replicas: replicas, Store: store, Epoch: e.epoch, Incarnation: e.incarn, Sequence: e.seq, Logger: logger,
			Revision:  func() uint64 { return e.Snapshot().Revision() },
			Buckets:   func(fn func(string) bool) { e.Snapshot().shownBuckets(fn) },
			Lookup:    func(bucket, key string) *bus.Change { return e.Snapshot().newest(bucket, key) },
			State:     func(bucket string, fn func(*bus.Change) bool) { e.Snapshot().Range(bucket, "", nil, fn) },
			Reload:    e.reload,
			History:   func(bucket string) int { return e.Bucket(bucket).History },
			Dropped:   func(bucket string) (uint64, bool) { return e.Snapshot().dropped(bucket) },
			Transient: func(bucket string) bool { return e.Bucket(bucket).Transient },
		})
	}
}

// newest is the key's newest change, a delete if that is what it is.
func (s *keyspace) newest(bucket, key string) *bus.Change {
	k, ok := s.buckets.Get(bucket)
	if !ok {
		return nil
	}
	sl := k.slot(key)
	if sl == nil {
		return nil
	}
	return sl.cur
}

// reload hands over the kept changes of a bucket from one revision to another.
func (e *Engine) reload(ctx context.Context, bucket string, from, to uint64, fn func([]*bus.Change) error) error {
	for from <= to {
		page, err := e.View("").Replay(Replay{Bucket: bucket, From: from, Start: true})
		if err != nil {
			return err
		}
		n := len(page.Changes)
		for n > 0 && page.Changes[n-1].Revision > to {
			n--
		}
		if err := fn(page.Changes[:n]); err != nil {
			return err
		}
		if page.Next == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		from = page.Next
	}
	return nil
}
