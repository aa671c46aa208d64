package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const (
	nextID = "lwj.next-id"
	end    = "end" // is written when all is over, so that watches and monitors end; not counted
)

func stateKey(id uint64) string { return fmt.Sprintf("lwj.%d.state", id) }

// chaining is how the monitor installs the watches on states.
type chaining struct {
	bucket string // of the work
	atOnce bool   // each in a goroutine of its own; otherwise one after the other
	value  bool   // each begins with the value that the key has
}

func (c chaining) opts() []jetstream.WatchOpt {
	if c.value {
		return nil // is the default of NATS
	}
	return []jetstream.WatchOpt{jetstream.UpdatesOnly()}
}

// chain is launchers and a monitor that share a bucket.
type chain struct {
	work
	chaining
	tally     *tally
	monitor   jetstream.KeyValue
	launchers []jetstream.KeyValue // each over a connection of its own
	installed chan struct{}        // one for each job whose state is watched
}

// chained does the work on a new bucket and counts what chained watches tell.
// Every launcher, and the monitor, has a connection.
func chained(ctx context.Context, h *host.Host, how chaining, w work, t *tally) error {
	c := &chain{work: w, chaining: how, tally: t, installed: make(chan struct{}, w.jobs)}
	for i := range w.launchers + 1 {
		nc, err := h.View()
		if err != nil {
			return err
		}
		defer nc.Close()
		if i == 0 {
			c.monitor, err = createBucket(ctx, nc, c.bucket)
		} else {
			err = c.addLauncher(ctx, nc)
		}
		if err != nil {
			return err
		}
	}
	return c.run(ctx)
}

func createBucket(ctx context.Context, nc *nats.Conn, bucket string) (jetstream.KeyValue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := js.DeleteKeyValue(ctx, bucket); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, err // of an earlier run in the same directory
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, History: jetstream.KeyValueMaxHistory})
	if err != nil {
		return nil, err
	}
	_, err = kv.Create(ctx, nextID, []byte("0"))
	return kv, err
}

func (c *chain) addLauncher(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, c.bucket)
	c.launchers = append(c.launchers, kv)
	return err
}

// run lets the launchers work under the eyes of the monitor.
func (c *chain) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	ids, err := c.monitor.Watch(ctx, nextID) // there before the first job is
	if err != nil {
		return err
	}
	group.Go(func() error { return c.watchIDs(ctx, group, ids) })
	group.Go(func() (err error) {
		if c.tally.took, err = c.do(ctx, c.job); err != nil {
			return err
		}
		return c.end(ctx)
	})
	return group.Wait()
}

// job is what a launcher does for one job.
func (c *chain) job(ctx context.Context, launcher int) error {
	kv := c.launchers[launcher]
	id, err := takeID(ctx, kv)
	if err != nil {
		return err
	}
	for _, state := range states() {
		if _, err := kv.PutString(ctx, stateKey(id), string(state)); err != nil {
			return err
		}
	}
	return nil
}

// takeID increments the counter: again, when another launcher was faster.
func takeID(ctx context.Context, kv jetstream.KeyValue) (uint64, error) {
	for {
		last, err := kv.Get(ctx, nextID)
		if err != nil {
			return 0, err
		}
		id, err := strconv.ParseUint(string(last.Value()), 10, 64)
		if err != nil {
			return 0, err
		}
		_, err = kv.Update(ctx, nextID, strconv.AppendUint(nil, id+1, 10), last.Revision())
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return id + 1, err
		}
	}
}

// watchIDs is the first link: for each new id it installs a watch, which goes
// on in group. It ends with the last job's.
func (c *chain) watchIDs(ctx context.Context, group *errgroup.Group, ids jetstream.KeyWatcher) error {
	defer func() { _ = ids.Stop() }()
	for watched := uint64(0); watched < uint64(c.jobs); {
		entry, err := next(ctx, ids)
		if err != nil {
			return err
		}
		newest, err := strconv.ParseUint(string(entry.Value()), 10, 64)
		if err != nil {
			return err
		}
		for watched < newest {
			watched++
			if err := c.watchState(ctx, group, watched); err != nil {
				return err
			}
		}
	}
	return nil
}

// watchState is the second link.
func (c *chain) watchState(ctx context.Context, group *errgroup.Group, id uint64) error {
	install := func() error {
		w, err := c.monitor.Watch(ctx, stateKey(id), c.opts()...)
		if err != nil {
			return err
		}
		c.installed <- struct{}{} // has room for every job
		group.Go(func() error { return c.listen(ctx, id, w) })
		return nil
	}
	if !c.atOnce {
		return install()
	}
	group.Go(install)
	return nil
}

// listen hears of the states of one job until its end.
func (c *chain) listen(ctx context.Context, id uint64, w jetstream.KeyWatcher) error {
	defer func() { _ = w.Stop() }()
	for {
		entry, err := next(ctx, w)
		if err != nil || string(entry.Value()) == end {
			return err
		}
		c.tally.hear(id, lwj.State(entry.Value()))
	}
}

// next returns the next entry of a watch; the nil that ends the initial values
// is left out.
func next(ctx context.Context, w jetstream.KeyWatcher) (jetstream.KeyValueEntry, error) {
	for {
		select {
		case entry, ok := <-w.Updates():
			if entry != nil {
				return entry, nil
			}
			if !ok {
				return nil, errors.New("a watch has ended")
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// end waits until every job is watched, and ends the watches.
func (c *chain) end(ctx context.Context) error {
	for range c.jobs {
		select {
		case <-c.installed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for id := range uint64(c.jobs) {
		if _, err := c.monitor.PutString(ctx, stateKey(id+1), end); err != nil {
			return err
		}
	}
	return nil
}
