package lwj

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// wantLife is what a monitor sees of a plain run.
const wantLife = "null→reserved reserved→starting starting→running running→complete"

func (h *testHost) monitor(o EventOptions) *Monitor {
	h.t.Helper()
	m, err := h.client.Events(testContext(h.t), o)
	must(h.t, err)
	h.t.Cleanup(func() { m.Close() })
	return m
}

// until reads events until done says so, and returns them, the last included.
func until(t testing.TB, m *Monitor, done func(*Event) bool) (out []*Event) {
	t.Helper()
	ctx := testContext(t)
	for {
		ev, err := m.Next(ctx)
		must(t, err)
		if out = append(out, ev); done(ev) {
			return out
		}
	}
}

func caughtUp(ev *Event) bool { return ev.CaughtUp }

// run takes n jobs through their life by as many goroutines as launchers.
func (h *testHost) run(launchers, n int) {
	h.t.Helper()
	token := h.owner("launcher")
	var wg sync.WaitGroup
	for range launchers {
		wg.Go(func() {
			for range n / launchers {
				id, err := h.client.Submit(testContext(h.t), NewSpec("true"), Start("launcher", token))
				if err != nil {
					h.t.Error(err)
					return
				}
				for _, to := range life {
					if err := h.client.AdvanceOne(testContext(h.t), id, to, 1, nil); err != nil {
						h.t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// byJob sorts events into jobs and checks that the chain of each is whole.
func byJob(t testing.TB, events []*Event) map[uint64][]*Event {
	t.Helper()
	jobs := map[uint64][]*Event{}
	last := uint64(0)
	for _, ev := range events {
		if ev.Revision < last {
			t.Fatalf("revision %d came after %d", ev.Revision, last)
		}
		last = ev.Revision
		if ev.Kind == KindState {
			jobs[ev.Job] = append(jobs[ev.Job], ev)
		}
	}
	for id, evs := range jobs {
		if _, err := Fold(DefaultMachine(), evs); err != nil {
			t.Fatalf("job %d: %v", id, err)
		}
	}
	return jobs
}

func wantLives(t testing.TB, jobs int, events []*Event) {
	t.Helper()
	got := byJob(t, events)
	wantEqual(t, "jobs", jobs, len(got))
	for id, evs := range got {
		wantEqual(t, "path of job "+uitoa(id), wantLife, strings.Join(path(evs), " "))
		if evs[0].Spec == nil || evs[0].Spec.Command[0] != "true" {
			t.Fatalf("job %d: want its spec with its first event, got %v", id, evs[0].Spec)
		}
	}
}

// TestMonitorSeesEveryTransition: a monitor from before, one from the middle
// and one that looks at the end alone (case J03) see the same events.
func TestMonitorSeesEveryTransition(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	const jobs = 200
	ended := func() func(*Event) bool {
		n := 0
		return func(ev *Event) bool {
			if ev.Kind == KindState && ev.To.Final() {
				n++
			}
			return n == jobs
		}
	}
	before := h.monitor(EventOptions{})
	go h.run(8, jobs)
	first := until(t, before, ended())
	late := h.monitor(EventOptions{})
	again := until(t, late, caughtUp)
	wantLives(t, jobs, first)
	wantEqual(t, "marks", 1, len(slices.DeleteFunc(slices.Clone(first), func(e *Event) bool { return !e.CaughtUp })))
	first = slices.DeleteFunc(first, caughtUp)
	if want, got := summary(first), summary(again[:len(again)-1]); !reflect.DeepEqual(want, got) {
		t.Fatalf("want what the first monitor saw, %d events, got %d others", len(want), len(got))
	}
}

// summary is what two monitors must agree on.
func summary(events []*Event) (out []Event) {
	for _, ev := range events {
		e := *ev
		e.client, e.Spec = nil, nil
		out = append(out, e)
	}
	return out
}

// TestMonitorResumes: another monitor goes on behind the last revision told.
func TestMonitorResumes(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	h.run(2, 20)
	first := h.monitor(EventOptions{})
	n := 0
	part := until(t, first, func(*Event) bool { n++; return n == 33 })
	must(t, first.Close())
	other, err := NewClient(h.connect(h.nc)).Events(testContext(t), EventOptions{From: part[len(part)-1].Revision + 1})
	must(t, err)
	defer other.Close()
	rest := until(t, other, caughtUp)
	wantLives(t, 20, append(part, rest[:len(rest)-1]...))
}

// TestMonitorSurvivesCuts is case J09 in small: the connection breaks again
// and again while jobs move on.
func TestMonitorSurvivesCuts(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	const jobs = 100
	m := h.monitor(EventOptions{})
	go h.run(4, jobs)
	n := 0
	events := until(t, m, func(ev *Event) bool {
		if ev.Kind == KindState && ev.To == Running && ev.Job%10 == 0 {
			must(t, h.nc.ForceReconnect())
		}
		if ev.Kind == KindState && ev.To.Final() {
			n++
		}
		return n == jobs
	})
	wantLives(t, jobs, slices.DeleteFunc(events, caughtUp))
}

// TestEventSnapshot is case J08: the state read at an event's revision is the
// event's, while its producer races on.
func TestEventSnapshot(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	const jobs = 48
	m := h.monitor(EventOptions{})
	go h.run(4, jobs)
	n := 0
	until(t, m, func(ev *Event) bool {
		if ev.Kind != KindState {
			return false
		}
		info, err := ev.Snapshot(testContext(t))
		must(t, err)
		wantEqual(t, "state at the event", ev.To, info.State.State)
		wantEqual(t, "revision of that state", ev.Revision, info.Revision)
		if ev.To.Final() {
			n++
		}
		return n == jobs
	})
}

func TestMonitorFilters(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	ctx := testContext(t)
	token := h.owner("o")
	for range 3 {
		h.submit(NewSpec("true"), Start("o", token))
	}
	_, err := h.client.Post(ctx, 2, "checkpoint", map[string]string{"step": "3"})
	must(t, err)
	middle := h.engine.Snapshot().Revision()
	for id := range uint64(3) {
		h.advance(id+1, 1, life...)
	}
	for name, c := range map[string]struct {
		o    EventOptions
		want string
	}{
		"one job":          {EventOptions{IDs: []uint64{2}}, "2:reserved 2:checkpoint 2:starting 2:running 2:complete"},
		"one job's states": {EventOptions{IDs: []uint64{2}, Kinds: []Kind{KindState}}, "2:reserved 2:starting 2:running 2:complete"},
		"states":           {EventOptions{States: []State{Running}}, "1:running 2:running 3:running"},
		"jobs and states":  {EventOptions{IDs: []uint64{1, 3}, States: []State{Reserved, Complete}}, "1:reserved 3:reserved 1:complete 3:complete"},
		"events":           {EventOptions{Kinds: []Kind{KindEvent}}, "2:checkpoint"},
		"from":             {EventOptions{IDs: []uint64{3}, From: middle + 1}, "3:starting 3:running 3:complete"},
		"since later":      {EventOptions{Since: time.Now().Add(time.Hour)}, ""},
		"now":              {EventOptions{Now: true}, ""},
	} {
		m := h.monitor(c.o)
		var got []string
		events := until(t, m, caughtUp)
		for _, ev := range events[:len(events)-1] {
			got = append(got, uitoa(ev.Job)+":"+string(ev.To)+ev.Name)
			if ev.Kind == KindState && ev.From == "" && (ev.Spec == nil || ev.Spec.Command[0] != "true") {
				t.Errorf("%s: want the spec with the first event of job %d", name, ev.Job)
			}
		}
		wantEqual(t, name, c.want, strings.Join(got, " "))
	}
}

// TestMonitorFromFuture: a monitor begins at the revision after the newest at
// the latest.
func TestMonitorFromFuture(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	h.submit(NewSpec("true"))
	newest := h.engine.Snapshot().Revision()
	for _, ids := range [][]uint64{nil, {1}} {
		m := h.monitor(EventOptions{IDs: ids, From: newest + 1})
		wantEqual(t, "events and the mark", 1, len(until(t, m, caughtUp)))
		for _, from := range []uint64{newest + 2, bus.FromNow} {
			_, err := h.monitor(EventOptions{IDs: ids, From: from}).Next(testContext(t))
			wantCode(t, bus.CodeUsage, err)
		}
	}
}

// TestMonitorOfOneJobLive: the subject of one job's transitions chains by itself.
func TestMonitorOfOneJobLive(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	id := h.submit(NewSpec("true"), Start("o", h.owner("o")))
	m := h.monitor(EventOptions{IDs: []uint64{id}, Kinds: []Kind{KindState}})
	events := until(t, m, caughtUp)
	h.advance(id, 1, life...)
	events = append(events, until(t, m, func(ev *Event) bool { return ev.To.Final() })...)
	wantLives(t, 1, slices.DeleteFunc(events, caughtUp))
}

// TestMonitorAfterARestart: what the engine's memory of recent changes no
// longer has is replayed from the kept versions, bucket keys that are no job's
// included.
func TestMonitorAfterARestart(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	h.run(1, History/2+100)
	token := h.owner("o")
	var marked uint64
	for i := range History + 50 { // next-id has more versions than are kept
		id := h.submit(NewSpec("true"), Start("o", token))
		if i == 10 {
			marked = h.show(id).Revision
		}
	}
	h.restart()
	events := until(t, h.monitor(EventOptions{From: marked}), caughtUp)
	wantEqual(t, "events", History+50-10+1, len(events))
}

func TestMonitorEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	m := h.monitor(EventOptions{})
	until(t, m, caughtUp)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if _, err := m.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("want context.Canceled, got %v", err)
	}
	must(t, m.Close())
	_, err := m.Next(testContext(t))
	wantCode(t, bus.CodeClosed, err)
}
