package lwj

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// monitorEvents bounds what a monitor buffers: more than a round of many
// launchers makes, so that one that keeps up has nothing replayed.
const monitorEvents = 1 << 14

// EventOptions says which events a monitor tells and from where. The zero
// value: all events of all jobs, from the oldest kept.
type EventOptions struct {
	IDs    []uint64 // at most MaxItems. Default: all jobs, also those to come.
	States []State  // only transitions into these. Default: all events.
	Kinds  []Kind   // Default: all.

	Now   bool      // only what happens after the call
	From  uint64    // from this revision on: bus.ErrCompacted when some of it is gone, CodeUsage beyond the one after the newest
	Since time.Time // leave out what happened before it
}

// Monitor tells the events of jobs: each once, in commit order, none missing
// (TestMonitorSeesEveryTransition), "caught up" once, then live. It survives
// reconnects and new hosts; another one, in another process too, goes on with
// From set behind the last revision told (TestMonitorResumes). A slow reader
// delays itself only: beyond the buffer it reads at its own pace.
//
// One goroutine calls Next at a time.
type Monitor struct {
	client  *Client
	opts    EventOptions
	filter  filter
	single  bool // follows the transitions of one job alone
	f       *bus.Follower
	ready   []*Event
	level   bool // the mark has been told
	skipped atomic.Uint64
}

// Events starts a monitor. It returns when the server has its subscription:
// nothing that happens later is missed.
//
// Errors: CodeUsage; those of bus.Conn.Follow.
func (c *Client) Events(ctx context.Context, opts EventOptions) (*Monitor, error) {
	if err := checkIDs(opts.IDs); err != nil {
		return nil, err
	}
	m := &Monitor{client: c, opts: opts, filter: newFilter(opts)}
	m.single = len(opts.IDs) == 1 && len(opts.Kinds) == 1 && opts.Kinds[0] == KindState
	cfg := bus.FollowConfig{
		Bucket: Bucket, From: opts.From, Now: opts.Now, Start: opts.From == 0 && !opts.Now,
		Replay: m.replay, Match: m.filter.match, MaxEvents: monitorEvents,
	}
	if m.single {
		cfg.Subject = c.conn.Names().State(opts.IDs[0])
	}
	f, err := c.conn.Follow(ctx, cfg)
	if err != nil {
		return nil, err
	}
	m.f = f
	return m, nil
}

func newFilter(o EventOptions) filter {
	f := filter{states: o.States}
	if len(o.IDs) > 0 {
		f.ids = make(map[uint64]bool, len(o.IDs))
	}
	for _, id := range o.IDs {
		f.ids[id] = true
	}
	return f
}

// replay asks the host for what the monitor has not seen.
func (m *Monitor) replay(ctx context.Context, from uint64) (*bus.Page, error) {
	req := ReplayRequest{IDs: m.opts.IDs, States: m.opts.States, From: from, Single: m.single, Repair: m.level || m.opts.Now,
		Start: m.opts.From == 0 && !m.opts.Now && !m.level}
	if !m.opts.Since.IsZero() {
		req.Since = m.opts.Since.UnixNano()
	}
	p := new(bus.Page)
	return p, m.client.conn.Call(ctx, VerbReplay, req, p, bus.Read())
}

// Next returns the next event; it waits for one until ctx ends, which loses
// nothing.
//
// Errors: bus.ErrCompacted when wanted events are gone; CodeUsage for a From
// that has not been (TestMonitorFromFuture); bus.ErrClosed; the cause of ctx;
// what else the host refuses.
func (m *Monitor) Next(ctx context.Context) (*Event, error) {
	for len(m.ready) == 0 {
		b, err := m.f.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b.CaughtUp {
			m.level = true
			return &Event{Kind: KindCaughtUp, CaughtUp: true, Revision: b.Revision, client: m.client}, nil
		}
		m.take(b.Changes)
	}
	ev := m.ready[0]
	if err := m.complete(ctx, ev); err != nil {
		return nil, err
	}
	m.ready = m.ready[1:]
	return ev, nil
}

// take makes events of the changes of one transaction. A record that cannot
// be read stops nobody: it is counted.
func (m *Monitor) take(changes []*bus.Change) {
	specs := map[uint64]*Spec{}
	for _, c := range changes {
		if id, part, ok := parseKey(c.Key); ok && part == partSpec {
			if s, err := decode[Spec](c); err == nil {
				specs[id] = s
			}
			continue
		}
		ev, err := newEvent(c)
		switch {
		case err != nil:
			m.skipped.Add(1)
		case ev != nil && m.wants(ev):
			ev.client = m.client
			if ev.Kind == KindState && ev.From == "" {
				ev.Spec = specs[ev.Job]
			}
			m.ready = append(m.ready, ev)
		}
	}
}

// wants reports whether the event is of a kind and time that is asked for.
func (m *Monitor) wants(ev *Event) bool {
	if ev.Time.Before(m.opts.Since) {
		return false
	}
	for _, k := range m.opts.Kinds {
		if k == ev.Kind {
			return true
		}
	}
	return len(m.opts.Kinds) == 0
}

// complete fetches the spec of a job's first event where only its transitions
// are followed.
func (m *Monitor) complete(ctx context.Context, ev *Event) error {
	if !m.single || ev.Kind != KindState || ev.From != "" {
		return nil
	}
	info, err := ev.Snapshot(ctx)
	switch bus.CodeOf(err) {
	case "":
		ev.Spec = &info.Spec
	case bus.CodeNotFound, bus.CodeCompacted: // it was forgotten since
	default:
		return err
	}
	return nil
}

// Skipped is how many records could not be read. Safe for concurrent use.
func (m *Monitor) Skipped() uint64 { return m.skipped.Load() }

// Close ends the monitor; a Next that waits returns bus.ErrClosed.
func (m *Monitor) Close() error { return m.f.Close() }
