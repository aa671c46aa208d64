package bus

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"
)

// link knows whether a NATS connection is up without asking it: while
// nats.go connects it holds the lock that every question needs.
//
// One goroutine (run) is owned by the link, ends in close, which waits for it.
type link struct {
	nc     *nats.Conn
	events chan nats.Status
	ended  chan struct{}
	once   sync.Once
	lanes  lanes

	mu  sync.Mutex
	now linkState
}

// linkState is the connection at one moment.
type linkState struct {
	up      bool
	closed  bool // for good
	joined  uint64
	session context.Context // ends when the connection breaks
	changed chan struct{}   // closed when the state is no longer this
	cancel  context.CancelFunc
}

func newLink(nc *nats.Conn) *link {
	l := &link{nc: nc, ended: make(chan struct{}), lanes: lanes{nc: nc}}
	l.events = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	l.now = l.now.next(nc.Status())
	go l.run()
	return l
}

func (l *link) run() {
	defer close(l.ended)
	for s := range l.events {
		l.set(s)
	}
	l.set(nats.CLOSED)
}

func (l *link) set(s nats.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.now
	l.now = was.next(s)
	was.cancel()
	close(was.changed)
}

// next returns the state after s, with a session of its own.
func (s linkState) next(status nats.Status) linkState {
	n := linkState{up: status == nats.CONNECTED && !s.closed, closed: s.closed || status == nats.CLOSED,
		joined: s.joined, changed: make(chan struct{})}
	if n.up {
		n.joined++
	}
	n.session, n.cancel = context.WithCancel(context.Background())
	if !n.up {
		n.cancel()
	}
	return n
}

func (l *link) state() linkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// await returns the state when the connection is up or closed for good.
func (l *link) await(ctx context.Context) (linkState, error) {
	for {
		s := l.state()
		if s.up || s.closed {
			return s, nil
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
}

func (l *link) close() {
	l.once.Do(func() { l.nc.RemoveStatusListener(l.events) })
	l.lanes.close()
	<-l.ended
}
