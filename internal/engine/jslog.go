package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// AckTimeout is how long an append waits for its acknowledgement before it
	// is in doubt.
	AckTimeout = 5 * time.Second
	// ReadAhead bounds the bytes that Read holds in memory beside its callback's.
	ReadAhead = 64 << 20
	// readAheadRecords bounds their number.
	readAheadRecords = 32 << 10
	// readStall is how long a read waits for the next record before it asks the
	// leader whether that record is still there.
	readStall = 2 * time.Second
	// recordMargin is what of max_payload a record leaves to its header.
	recordMargin = 4 << 10
)

var (
	errAckTimeout   = fmt.Errorf("no acknowledgement within %v", AckTimeout)
	errDisconnected = errors.New("the connection was lost before the acknowledgement came")
)

// StreamLog is a Log in a JetStream stream. Appends go over a subscription of
// its own: an acknowledgement is matched by the token in its subject, so one
// that comes after its append was given up is dropped, not mistaken.
//
// The connection should be the log's own, opened with nats.ReconnectBufSize(-1):
// else an append made while it is down is sent when it is up again. That is
// safe, because it is conditional, and given up as doubt long before.
type StreamLog struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  string
	subject string
	inbox   string // prefix of the reply subjects, with its dot
	sub     *nats.Subscription
	arm     chan struct{} // an append waits and nothing watches its deadline yet
	armed   atomic.Bool   // the watch has a timer running
	quit    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	header  nats.Header // of the next append, and its one value
	after   []string
	token   uint64
	pending map[uint64]pendingAppend
	closed  bool
}

// pendingAppend is an append whose acknowledgement has not come.
type pendingAppend struct {
	done     func(uint64, error)
	deadline time.Time
}

// NewStreamLog opens the log of names on nc. The stream exists: see Streams.OpenLog.
func NewStreamLog(nc *nats.Conn, names bus.Names) (*StreamLog, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	l := &StreamLog{
		nc: nc, js: js, stream: names.LogStream(), subject: names.LogSubject(), inbox: nc.NewInbox() + ".",
		arm: make(chan struct{}, 1), quit: make(chan struct{}),
		after: []string{""}, pending: map[uint64]pendingAppend{},
	}
	l.header = nats.Header{nats.ExpectedLastSeqHdr: l.after}
	if l.sub, err = nc.Subscribe(l.inbox+"*", l.acked); err != nil {
		return nil, err
	}
	if err := nc.Flush(); err != nil {
		return nil, errors.Join(err, l.sub.Unsubscribe())
	}
	status := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	l.wg.Go(func() { l.watch(status) })
	return l, nil
}

// Append stores data if the log's last sequence is after. See Log.
func (l *StreamLog) Append(after uint64, data []byte, done func(seq uint64, err error)) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		done(0, bus.ErrClosed)
		return
	}
	l.token++
	token := l.token
	l.pending[token] = pendingAppend{done, time.Now().Add(AckTimeout)}
	l.after[0] = strconv.FormatUint(after, 10)
	err := l.nc.PublishMsg(&nats.Msg{
		Subject: l.subject, Reply: l.inbox + strconv.FormatUint(token, 10), Header: l.header, Data: data,
	})
	l.mu.Unlock()
	if err == nil {
		l.armWatch()
		return
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		err = &RefusedError{Code: errCodeMessageSize, Reason: err.Error()}
	}
	l.finish(token, 0, err)
}

// acked takes up one acknowledgement. It runs on the subscription's goroutine.
func (l *StreamLog) acked(m *nats.Msg) {
	token, err := strconv.ParseUint(m.Subject[len(l.inbox):], 10, 64)
	if err != nil {
		return // nothing of ours
	}
	seq, err := parseAck(m)
	if err != nil && !errors.Is(err, errDuplicate) {
		seq = 0
	}
	l.finish(token, seq, err)
}

// finish tells the append of token its outcome, if nobody has.
func (l *StreamLog) finish(token, seq uint64, err error) {
	l.mu.Lock()
	p, ok := l.pending[token]
	delete(l.pending, token)
	l.mu.Unlock()
	if ok {
		p.done(seq, err)
	}
}

// armWatch wakes the watch, unless its timer runs already: an append a moment
// after another wakes nobody.
func (l *StreamLog) armWatch() {
	if l.armed.Swap(true) {
		return
	}
	select {
	case l.arm <- struct{}{}:
	default:
	}
}

// disarm says that no timer runs, and looks again for an append that relied on it.
func (l *StreamLog) disarm() {
	l.armed.Store(false)
	l.mu.Lock()
	waiting := len(l.pending) > 0
	l.mu.Unlock()
	if waiting {
		l.armWatch()
	}
}

// watch gives up appends that are too old or whose connection broke. It is
// started by NewStreamLog, ends with Close, and Close waits for it.
func (l *StreamLog) watch(status chan nats.Status) {
	defer l.nc.RemoveStatusListener(status)
	timer := time.NewTimer(AckTimeout)
	defer timer.Stop()
	timer.Stop()
	for {
		select {
		case <-l.quit:
			l.giveUp(time.Time{}, bus.ErrClosed)
			return
		case _, open := <-status:
			if !open {
				status = nil // the connection is closed and took its listeners along
			}
			l.giveUp(time.Time{}, errDisconnected)
		case <-l.arm:
			timer.Reset(AckTimeout)
		case now := <-timer.C:
			if next := l.giveUp(now, errAckTimeout); !next.IsZero() {
				timer.Reset(next.Sub(now))
			} else {
				l.disarm()
			}
		}
	}
}

// giveUp ends the appends that are due at now, or all for the zero time, and
// returns when the next one is due; the zero time for none.
func (l *StreamLog) giveUp(now time.Time, err error) (next time.Time) {
	var due []uint64
	l.mu.Lock()
	for token, p := range l.pending {
		if now.IsZero() || !p.deadline.After(now) {
			due = append(due, token)
		} else if next.IsZero() || p.deadline.Before(next) {
			next = p.deadline
		}
	}
	l.mu.Unlock()
	for _, token := range due {
		l.finish(token, 0, err)
	}
	return next
}

// Last returns the last sequence. See Log.
func (l *StreamLog) Last(ctx context.Context) (uint64, error) {
	_, last, err := l.ends(ctx)
	return last, err
}

// First returns the first kept sequence. See Log.
func (l *StreamLog) First(ctx context.Context) (uint64, error) {
	first, _, err := l.ends(ctx)
	return first, err
}

func (l *StreamLog) ends(ctx context.Context) (first, last uint64, err error) {
	info, err := streamInfo(ctx, l.js, l.stream)
	if err != nil {
		return 0, 0, fmt.Errorf("look at the log %s: %w", l.stream, err)
	}
	if info.State.Msgs == 0 {
		return info.State.LastSeq + 1, info.State.LastSeq, nil
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// Trim drops the records below seq. See Log.
func (l *StreamLog) Trim(ctx context.Context, seq uint64) error {
	first, last, err := l.ends(ctx)
	if err != nil {
		return err
	}
	seq = min(seq, last)
	if seq <= first {
		return nil
	}
	err = ask(ctx, func(ctx context.Context) error {
		s, err := l.js.Stream(ctx, l.stream)
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSequence(seq))
	})
	if err != nil {
		return fmt.Errorf("trim the log %s below %d: %w", l.stream, seq, err)
	}
	return nil
}

// MaxRecord is the most bytes a record may have. See Log.
func (l *StreamLog) MaxRecord() int {
	return int(min(MaxRecordBytes, l.nc.MaxPayload()-recordMargin))
}

// Close ends outstanding appends with doubt. It leaves the connection open.
func (l *StreamLog) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if !again {
		close(l.quit)
	}
	l.wg.Wait()
	if again {
		return nil
	}
	if err := l.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil
}
