package lwj

import (
	"context"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// A thousand jobs cost few requests and few threads.
func TestLauncherThousand(t *testing.T) { // not parallel: it takes all processors
	h := newHost(t, withNATS)
	g := newGate(h)
	m := monitor(t, h, EventOptions{})
	l := launcher(t, g.conn(t, 0), LauncherConfig{})
	const jobs = 1000
	threads := pprof.Lookup("threadcreate").Count()
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			if _, err := l.Run(testContext(t), NewSpec("true"), RunOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all := lifes(t, m, jobs)
	wg.Wait()
	wantEqual(t, "jobs", jobs, len(all))
	for id, got := range all {
		if strings.Join(got, " ") != strings.Join(plainRun, " ") {
			t.Errorf("job %d: want %v, got %v", id, plainRun, got)
		}
	}
	const others = 64 // of the runtime, and of tests that run beside this one
	if more := pprof.Lookup("threadcreate").Count() - threads; more > maxStarts+others {
		t.Errorf("want at most %d more threads, got %d", maxStarts+others, more)
	}
	t.Logf("%d requests for %d transitions", g.count(VerbAdvance), 3*jobs)
}

// What several jobs say while a request is in flight goes in one; of one job
// there is one transition in each, in order.
func TestLedgerBatches(t *testing.T) {
	t.Parallel()
	g := newLedger(t.Context(), nil)
	jobs := make([]*Job, 3)
	for i := range jobs {
		jobs[i] = testJob(t, nil, uint64(i+1)).job
		g.put(jobs[i], Running, nil)
	}
	for _, j := range jobs {
		g.put(j, Complete, nil)
	}
	jobs[2].lose(bus.ErrClosed)
	for _, want := range []State{Running, Complete} {
		batch := g.take()
		wantEqual(t, "jobs in a request", 2, len(batch))
		for i, e := range batch {
			wantEqual(t, "job", jobs[i], e.job)
			wantEqual(t, "transition", want, e.item.To)
		}
	}
	wantEqual(t, "left", 0, len(g.take()))
}

func TestLedgerBounds(t *testing.T) {
	t.Parallel()
	g := newLedger(t.Context(), nil)
	for id := range uint64(MaxItems + 1) {
		g.put(testJob(t, nil, id+1).job, Complete, nil)
	}
	wantEqual(t, "items by bytes", maxAdvanceBytes/itemBytes(&Advance{}), len(g.take()))
	for len(g.take()) > 0 {
	}
	for id := range uint64(3) {
		g.put(testJob(t, nil, id+1).job, Running, &Detail{Error: strings.Repeat("x", maxAdvanceBytes)})
	}
	wantEqual(t, "large items", 1, len(g.take()))
}

// A refusal of a transition that an earlier try made is its acknowledgement.
func TestEntrySettle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		tried bool
		state State
		err   *bus.Error
		made  bool
	}{
		{"done", false, Complete, nil, true},
		{"made by an earlier try", true, Complete, ErrTransition, true},
		{"made by somebody else", false, Complete, ErrTransition, false},
		{"another state", true, Failed, ErrTransition, false},
		{"fenced", true, Complete, ErrFenced, false},
	} {
		j := testJob(t, nil, 1).job
		e := &entry{job: j, item: Advance{To: Complete}, tried: c.tried, done: make(chan struct{})}
		e.settle(&ItemResult{State: c.state, Error: c.err})
		wantEqual(t, c.name, c.made, j.await(e))
		wantEqual(t, c.name+": cause", c.err == nil || c.made, context.Cause(j.ctx) == nil)
	}
}

// BenchmarkLaunch is a job of `true` from submit to its committed end.
func BenchmarkLaunch(b *testing.B) {
	h := newHost(b, withNATS)
	l := launcher(b, h.conn, LauncherConfig{Environ: os.Environ()})
	for b.Loop() {
		ended(b, start(b, l, NewSpec("true"), RunOptions{}))
	}
}
