package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/lwj"
)

// states returns the states that every job goes through.
func states() []lwj.State {
	return []lwj.State{lwj.Reserved, lwj.Starting, lwj.Running, lwj.Complete}
}

// work is how much is done on each system.
type work struct{ launchers, jobs int }

// do lets the launchers, each in a goroutine, take jobs through their states
// by job, until all are done. It returns the time that it took.
func (w work) do(ctx context.Context, job func(ctx context.Context, launcher int) error) (time.Duration, error) {
	launchers, ctx := errgroup.WithContext(ctx)
	var begun atomic.Int64
	start := time.Now()
	for i := range w.launchers {
		launchers.Go(func() error {
			for begun.Add(1) <= int64(w.jobs) {
				if err := job(ctx, i); err != nil {
					return fmt.Errorf("launcher %d: %w", i, err)
				}
			}
			return nil
		})
	}
	err := launchers.Wait()
	return time.Since(start), err
}

// tally counts what a monitor hears. It is safe for concurrent use.
type tally struct {
	took time.Duration // from the first transition to the last

	mu    sync.Mutex
	heard map[uint64]map[lwj.State]int // how often that this job entered this state
}

func newTally() *tally { return &tally{heard: map[uint64]map[lwj.State]int{}} }

// hear counts that the monitor was told that job entered state.
func (t *tally) hear(job uint64, state lwj.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard[job] == nil {
		t.heard[job] = map[lwj.State]int{}
	}
	t.heard[job][state]++
}

// result is how many transitions of how many jobs were made, seen at least
// once, never seen, and seen again, and of how many jobs the first was missed.
type result struct{ made, seen, missed, doubled, first int }

// result sums up the jobs 1 to jobs.
func (t *tally) result(jobs int) result {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := states()
	r := result{made: jobs * len(all), first: jobs}
	for _, of := range t.heard {
		for _, times := range of {
			r.seen++
			r.doubled += times - 1
		}
		if of[all[0]] > 0 {
			r.first--
		}
	}
	r.missed = r.made - r.seen
	return r
}
