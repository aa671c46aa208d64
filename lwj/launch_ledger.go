package lwj

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of one request of a ledger.
const (
	maxAdvanceBytes = 256 << 10 // of its items, as itemBytes counts them

	// retryPause stands between two tries of a request that failed for the
	// moment.
	retryPause = 100 * time.Millisecond
)

// ledger writes the transitions of all jobs of a launcher. While a request is
// in flight the next one collects, so a job that is alone is not delayed and a
// thousand share a few requests. Of one job there is one transition in a
// request, and the requests follow each other: its transitions are in order.
type ledger struct {
	ctx    context.Context
	client *Client
	wake   chan struct{} // one slot: there is something in queue

	mu    sync.Mutex
	queue []*entry
}

// entry is one transition on its way.
type entry struct {
	job   *Job
	item  Advance
	tried bool          // an earlier request may have made it; run's own
	done  chan struct{} // closed when it is committed; never if the job is lost
}

func newLedger(ctx context.Context, c *Client) *ledger {
	return &ledger{ctx: ctx, client: c, wake: make(chan struct{}, 1)}
}

// put queues a transition. If it is refused the job is lost.
func (g *ledger) put(j *Job, to State, d *Detail) *entry {
	e := &entry{job: j, item: Advance{ID: j.id, To: to, Epoch: j.epoch, Detail: d}, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, e)
	g.mu.Unlock()
	poke(g.wake)
	return e
}

// run ends with the launcher.
func (g *ledger) run() {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.wake:
		}
		for batch := g.take(); len(batch) > 0; batch = g.take() {
			g.send(batch)
		}
	}
}

// take removes the next batch: the oldest entries, one of each job. Entries of
// lost jobs are dropped.
func (g *ledger) take() (batch []*entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var rest []*entry
	size, seen := 0, make(map[uint64]bool, min(len(g.queue), MaxItems))
	for i, e := range g.queue {
		if len(batch) == MaxItems || size >= maxAdvanceBytes {
			rest = append(rest, g.queue[i:]...)
			break
		}
		switch {
		case e.job.ctx.Err() != nil:
		case seen[e.item.ID]:
			rest = append(rest, e)
		default:
			seen[e.item.ID] = true
			size += itemBytes(&e.item)
			batch = append(batch, e)
		}
	}
	g.queue = rest
	return batch
}

// itemBytes is about what an item takes on its way.
func itemBytes(a *Advance) int {
	const item, number = 64, 5
	if a.Detail == nil {
		return item
	}
	return item + len(a.Detail.Error) + len(a.Detail.Host) + number*(len(a.Detail.Pids)+len(a.Detail.Exits))
}

// send writes a batch, until it is written or the launcher ends.
func (g *ledger) send(batch []*entry) {
	items := make([]Advance, len(batch))
	for i, e := range batch {
		items[i] = e.item
	}
	for g.ctx.Err() == nil {
		results, err := g.client.Advance(g.ctx, items...)
		switch {
		case err == nil && len(results) == len(batch):
			for i, e := range batch {
				e.settle(&results[i])
			}
			return
		case bus.CodeOf(err) == bus.CodeTooLarge && len(batch) > 1:
			g.send(batch[:len(batch)/2])
			g.send(batch[len(batch)/2:])
			return
		case err != nil && !passing(err):
			for _, e := range batch {
				e.job.lose(err)
			}
			return
		}
		for _, e := range batch {
			e.tried = true
		}
		sleep(g.ctx, retryPause)
	}
}

// settle takes the host's answer. A transition that an earlier request may
// have made, and that the job has made, was made by it: nobody else can write
// at this epoch.
func (e *entry) settle(r *ItemResult) {
	made := e.tried && r.State == e.item.To && errors.Is(r.Err(), ErrTransition)
	if r.Err() == nil || made {
		close(e.done)
		return
	}
	e.job.lose(r.Err())
}

// passing reports whether a request that failed may be made again with another
// outcome. A host that is closing is followed by another.
func passing(err error) bool {
	switch bus.CodeOf(err) {
	case bus.CodeUnknownOutcome, bus.CodeUnreachable, bus.CodeTimeout, bus.CodeNotActive, bus.CodeOverloaded, bus.CodeFull, bus.CodeClosed:
		return true
	}
	return false
}

// poke fills a slot of one.
func poke(slot chan struct{}) {
	select {
	case slot <- struct{}{}:
	default:
	}
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
