package natstest

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// Check holds a host to its laws: the fold of the log is the state, each job's
// history replays to its state, and the KV buckets show the state.
func Check(ctx context.Context, h *host.Host) error {
	e := h.Engine()
	if err := e.Flush(ctx); err != nil {
		return fmt.Errorf("flush the views: %w", err)
	}
	_, err := e.CheckLog(ctx)
	return errors.Join(err, lwj.CheckReplay(e.Snapshot()), checkViews(ctx, h))
}

// checkViews reads every projected bucket as a plain NATS client does and
// compares its newest messages with the state.
func checkViews(ctx context.Context, h *host.Host) error {
	nc, err := h.View()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	s := h.Engine().Snapshot()
	var errs []error
	s.Buckets(func(name string) bool {
		_, there := h.Engine().View("").BucketStat(name) // or it was removed
		if there && !h.Engine().Bucket(name).Transient {
			errs = append(errs, checkView(ctx, js, s, h.Engine().Names(), name))
		}
		return true
	})
	return errors.Join(errs...)
}

func checkView(ctx context.Context, js jetstream.JetStream, s *engine.Snapshot, names bus.Names, bucket string) error {
	kv, err := js.KeyValue(ctx, names.KVBucket(bucket))
	if err != nil {
		return fmt.Errorf("bucket %s: %w", bucket, err)
	}
	shown, err := newest(ctx, kv)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", bucket, err)
	}
	var wrong error
	s.Range(bucket, "", nil, func(c *bus.Change) bool {
		escaped := bus.EscapeKey(c.Key)
		e := shown[escaped]
		if e == nil || string(e.Value()) != string(c.Value) {
			wrong = fmt.Errorf("bucket %s: key %q at revision %d is not what its view shows", bucket, c.Key, c.Revision)
		}
		delete(shown, escaped)
		return wrong == nil
	})
	for key := range shown {
		if wrong == nil {
			wrong = fmt.Errorf("bucket %s: the view shows %q, which the state does not have", bucket, key)
		}
	}
	return wrong
}

// newest reads the live entries of a bucket.
func newest(ctx context.Context, kv jetstream.KeyValue) (map[string]jetstream.KeyValueEntry, error) {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	out := map[string]jetstream.KeyValueEntry{}
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, nats.ErrConnectionClosed
			case e == nil:
				return out, nil
			}
			out[e.Key()] = e
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
