package bus

import (
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// maxIdleLanes bounds the lanes that are kept for the next call.
const maxIdleLanes = 1024

const (
	// laneReplies is how many calls later a lane uses a reply subject again.
	// They are few, so that the server has them in its cache.
	laneReplies = 4
	// laneAnswers is how many answers a lane holds that nobody has read: the
	// one that is due, and one that is nobody's.
	laneAnswers = 2
)

// lane is an inbox that serves one call at a time, so that the connection's
// reader hands the answer to the caller itself: a request of nats.go takes one
// more goroutine, a lock that all calls share, and a subject that is new to
// the server.
//
// NATS hands on an answer once. A lane whose answer did not come is dropped
// (TestLateAnswerIsNobodys), and an answer that a host gives twice has another
// subject than the next ones (TestSecondAnswerIsNobodys): no call gets the
// answer to another.
type lane struct {
	replies [laneReplies]string
	tries   uint
	sub     *nats.Subscription
	answer  chan *nats.Msg
	timer   *time.Timer // runs while a call waits
}

// reply returns the subject for the answer to the next try.
func (ln *lane) reply() string {
	ln.tries++
	return ln.replies[ln.tries%laneReplies]
}

// lanes are those of one connection.
type lanes struct {
	nc *nats.Conn

	mu     sync.Mutex
	closed bool
	idle   []*lane
}

// take returns a lane for one call, which ends with keep or drop.
func (l *lanes) take() (*lane, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 {
		ln := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return ln, nil
	}
	l.mu.Unlock()

	ln := &lane{answer: make(chan *nats.Msg, laneAnswers), timer: time.NewTimer(MaxWait)}
	ln.timer.Stop()
	inbox := l.nc.NewInbox() + "."
	for i := range ln.replies {
		ln.replies[i] = inbox + strconv.Itoa(i)
	}
	var err error
	ln.sub, err = l.nc.ChanSubscribe(inbox+"*", ln.answer)
	return ln, err
}

// keep takes back a lane whose call was answered.
func (l *lanes) keep(ln *lane) {
	l.mu.Lock()
	room := !l.closed && len(l.idle) < maxIdleLanes
	if room {
		l.idle = append(l.idle, ln)
	}
	l.mu.Unlock()
	if !room {
		l.drop(ln)
	}
}

// drop ends a lane. On a connection that is gone there is nothing to end.
func (l *lanes) drop(ln *lane) { _ = ln.sub.Unsubscribe() }

// close ends the idle lanes; those in use end with their calls.
func (l *lanes) close() {
	l.mu.Lock()
	idle := l.idle
	l.idle, l.closed = nil, true
	l.mu.Unlock()
	for _, ln := range idle {
		l.drop(ln)
	}
}
