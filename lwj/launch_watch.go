package lwj

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// maxControls is how many control records may wait to be looked at; one that
// is dropped is found by the next look at all of them.
const maxControls = 4096

// looks is how many looks at all of them fit in one lease's time.
const looks = 3

// watch follows what is asked of a launcher's jobs: control records come as
// events, and are read again after each renewal of the lease and each
// reconnect, so that none is lost.
type watch struct {
	l      *Launcher
	sub    *nats.Subscription
	msgs   chan *nats.Msg
	status chan nats.Status
	again  chan struct{} // one slot: read them all again
	since  uint64        // revision of the last look; run's own
}

func newWatch(l *Launcher) *watch {
	return &watch{l: l, msgs: make(chan *nats.Msg, maxControls), again: make(chan struct{}, 1)}
}

// open returns when the server has the subscription, or when the connection
// was lost: the next one has it, and run looks at what came in between.
func (w *watch) open() error {
	nc := w.l.conn.NATS()
	var err error
	if w.sub, err = nc.ChanSubscribe(w.l.conn.Names().Ctl(w.l.ID(), 0), w.msgs); err != nil {
		return bus.NewError(bus.CodeUnreachable, "subscribe to requests: %v", err)
	}
	w.status = nc.StatusChanged(nats.CONNECTED)
	if err = nc.Flush(); err != nil && nc.IsClosed() {
		w.close() // the subscription went with the connection
		return bus.NewError(bus.CodeUnreachable, "subscribe to requests: %v", err)
	}
	return nil
}

// resync makes run look at all control records that changed.
func (w *watch) resync() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}

// run ends with the launcher.
func (w *watch) run() {
	defer w.close()
	for {
		select {
		case <-w.l.ctx.Done():
			return
		case m, ok := <-w.msgs:
			if !ok {
				w.msgs = nil // the connection was closed
				continue
			}
			w.take(m)
		case _, ok := <-w.status:
			if !ok {
				w.status = nil
				continue
			}
			w.look()
		case <-w.again:
			w.look()
		}
	}
}

func (w *watch) close() {
	_ = w.sub.Unsubscribe() // a closed connection has none
	if w.status != nil {
		w.l.conn.NATS().RemoveStatusListener(w.status)
	}
}

// take reads one event; what cannot be read is found by the next look.
func (w *watch) take(m *nats.Msg) {
	c, err := bus.ChangeFromMsg(Bucket, m)
	if err != nil || c.Op != bus.OpPut {
		return
	}
	id, part, ok := parseKey(c.Key)
	ctl, err := decode[Control](c)
	if ok && err == nil && part == partCtl {
		w.l.control(id, ctl)
	}
}

// look reads the records that changed since the last look; all of them when a
// request came for a job that was not known yet.
func (w *watch) look() {
	missed, quiet := w.l.lookedAt()
	if missed {
		w.since = 0
	}
	ctx, cancel := context.WithTimeoutCause(w.l.ctx, w.l.cfg.Lease/looks, bus.ErrTimeout)
	defer cancel()
	jobs, revision, err := w.l.client.Owned(ctx, w.l.ID(), w.since)
	if err != nil {
		w.l.missedAgain(missed)
		return
	}
	w.since = revision
	var strays []Owned
	for i := range jobs {
		if !w.l.control(jobs[i].ID, &jobs[i].Control) {
			strays = append(strays, jobs[i])
		}
	}
	w.l.disown(strays, quiet)
}
