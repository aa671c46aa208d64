package engine

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// How a bucket stays what the state says:
//
//   - A miss (another last sequence), a time-out or a new connection is settled:
//     the loop reads what stands behind the last known sequence, takes what is
//     its own as stored, reports the rest as foreign, and sends what is missing.
//   - A foreign message that came while nothing was in flight is heard on the
//     bucket's subjects, or seen by the check of each second, and settled too.
//   - A foreign message may take the very sequence of one of ours in the middle
//     of a batch. Then the rest of the batch is stored, as the conditions are
//     true, and ours is not. It was heard, so the bucket is compared with the
//     state: the key gets its newest value; the version that fell out stays out
//     of the history, where the chain of Lwj-Previous shows the break.
//   - A stream that was purged, deleted, or lost its end in a crash is filled
//     from the state by the same comparison. The server tells of such requests on
//     an advisory subject; where it may not, the counters show most of them within
//     a second, and a purge hidden by as many new messages only to Verify.

// shortWalk is how many messages are read one by one rather than by a
// consumer, which takes longer to make.
const shortWalk = 32

// backwards bounds the messages that are looked at for the last one of ours.
const backwards = 1024

// open finds or makes the bucket's stream and sees up to where it shows the state.
func (p *StreamProjector) open(b *bucketView) {
	info, err := p.openStream(b)
	if err != nil {
		p.park(b, err)
		return
	}
	b.adopt(info)
	if err := p.findPosition(b, info); err != nil {
		p.park(b, err)
	}
}

// findPosition reads backwards to the last message of ours.
func (p *StreamProjector) findPosition(b *bucketView, info *jetstream.StreamInfo) error {
	newest, first := p.cfg.Revision(), max(info.State.FirstSeq, 1)
	if info.State.Msgs == 0 {
		return nil
	}
	for seq := info.State.LastSeq; seq >= first && seq+backwards > info.State.LastSeq; seq-- {
		m, err := p.get(b, whichMessage{Seq: seq})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if s := readShown(m.Header, newest); s.ours {
			b.taken = s.upTo
			b.shownRev.Store(s.upTo.revision)
			return nil
		}
		p.foreign(b, m.Subject[len(b.prefix):], seq)
	}
	return nil
}

// get asks the leader of the bucket's stream for one message.
func (p *StreamProjector) get(b *bucketView, which whichMessage) (*storedMessage, error) {
	return messageOf(p.ctx, p.cfg.NATS, b.stream, which)
}

// foreign reports a message of somebody else and has its key put right. What
// else it did, such as a roll-up or taking the place of a message of ours, a
// comparison tells.
func (p *StreamProjector) foreign(b *bucketView, token string, seq uint64) {
	p.cfg.Foreign(b.name, token, seq)
	if b.wrong == nil {
		b.wrong = map[string]uint64{}
	}
	b.wrong[token] = seq
	p.compare.wantSoon(b)
}

// park gives a bucket up for now: what is for it counts as done, and it is
// filled from the state when its stream can be written again.
func (p *StreamProjector) park(b *bucketView, cause error) {
	if p.ctx.Err() != nil {
		return
	}
	p.log.Error("a bucket is not kept up for now", "bucket", b.name, "stream", b.stream, "error", cause)
	p.forgetWaiting(b)
	for _, f := range b.window {
		p.land(f)
	}
	b.pause = min(max(2*b.pause, ProjectCheck), retryMost)
	b.window, b.doubt, b.wrong, b.parked, b.retry = nil, nil, nil, cause, time.Now().Add(b.pause)
	p.advance()
}

// unpark tries a parked bucket again.
func (p *StreamProjector) unpark(b *bucketView) {
	info, err := p.openStream(b)
	if err != nil {
		b.pause = min(2*b.pause, retryMost)
		b.retry = time.Now().Add(b.pause)
		return
	}
	b.parked = nil
	b.adopt(info)
	b.shownRev.Store(b.taken.revision)
	p.log.Info("a bucket is kept up again", "bucket", b.name)
	p.compare.want(b)
}

func (p *StreamProjector) forgetWaiting(b *bucketView) {
	for _, a := range b.waiting {
		delete(p.waiting, a.token)
	}
	b.waiting = nil
}

// settle finds out what of the window is stored and sends the rest again.
func (p *StreamProjector) settle(b *bucketView) {
	for p.ctx.Err() == nil && b.parked == nil {
		p.forgetWaiting(b)
		var refused *RefusedError
		if errors.As(b.doubt, &refused) {
			p.park(b, b.doubt)
			return
		}
		if !p.rest(b) {
			return
		}
		b.doubt = nil
		if err := p.look(b); err != nil {
			p.park(b, err)
			return
		}
		for i, f := range b.window {
			if b.doubt == nil {
				p.publish(f, i == len(b.window)-1)
			}
		}
		if b.doubt == nil {
			if len(b.window) == 0 {
				b.pause = 0
			}
			p.advance()
			return
		}
	}
}

// rest pauses before a bucket is settled again and again.
func (p *StreamProjector) rest(b *bucketView) bool {
	pause := b.pause
	b.pause = min(max(2*pause, retryFirst), retryMost)
	if pause == 0 {
		return true
	}
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(min(pause, ProjectCheck)):
		return true
	}
}

// look reads what the stream holds behind the last known sequence.
func (p *StreamProjector) look(b *bucketView) error {
	info, err := p.openStream(b)
	if err != nil {
		return err
	}
	last := info.State.LastSeq
	switch {
	case !info.Created.Equal(b.created):
		p.log.Warn("a bucket's stream was deleted; it is filled again", "bucket", b.name)
		p.compare.want(b)
		b.adopt(info)
	case last < b.acked:
		p.log.Warn("a bucket's stream lost its end; it is filled again", "bucket", b.name, "from", last+1, "to", b.acked)
		p.compare.want(b)
		b.adopt(info)
	case last > b.acked && info.State.Msgs > 0:
		w := &walker{window: b.window}
		if last-b.acked > shortWalk {
			err = p.walk(b, w, last)
			b.acked = last
		}
		if err == nil {
			last, err = p.step(b, w, last)
		}
		p.take(b, w)
	}
	b.acked, b.next = last, last
	return err
}

// take ends the flight of what a walk found.
func (p *StreamProjector) take(b *bucketView, w *walker) {
	stored, rest := w.result()
	for _, f := range stored {
		p.land(f)
	}
	b.window = rest
}

// step reads the messages after b.acked one by one, also those that came
// after last: the less time until the next publish, the better its chance
// against somebody who writes again and again.
func (p *StreamProjector) step(b *bucketView, w *walker, last uint64) (uint64, error) {
	for seq := b.acked + 1; seq <= last+shortWalk; seq++ {
		m, err := p.get(b, whichMessage{Seq: seq})
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound) && seq > last:
			return seq - 1, nil
		case errors.Is(err, jetstream.ErrMsgNotFound):
			continue
		case err != nil:
			return last, err
		}
		if token := m.Subject[len(b.prefix):]; !w.match(token, m.Header) {
			p.foreign(b, token, seq)
		}
	}
	return last + shortWalk, nil
}

// walk reads the messages after b.acked up to last.
func (p *StreamProjector) walk(b *bucketView, w *walker, last uint64) error {
	it, err := messages(p.ctx, p.js, b.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: b.acked + 1, HeadersOnly: true,
	})
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		m, err := nextMessage(p.ctx, it)
		if passing(err) && p.ctx.Err() == nil {
			p.compare.want(b) // somebody purged what is to be read
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if token := m.Subject()[len(b.prefix):]; meta.Sequence.Stream <= last && !w.match(token, m.Headers()) {
			p.foreign(b, token, meta.Sequence.Stream)
		}
		if meta.Sequence.Stream >= last || meta.NumPending == 0 {
			return nil
		}
	}
}

// walker compares the messages of a stream with a window.
type walker struct {
	window  []*flying
	next    int       // the first that was not met nor passed
	missing []*flying // passed: something later is there
	met     []*flying
}

// match reports whether a message is one of the window.
func (w *walker) match(token string, h nats.Header) bool {
	for i := w.next; i < len(w.window); i++ {
		if w.window[i].is(token, h) {
			w.missing = append(w.missing, w.window[w.next:i]...)
			w.met = append(w.met, w.window[i])
			w.next = i + 1
			return true
		}
	}
	return false
}

// result splits the window into what need not be sent any more and what does:
// what is missing is sent first, unless a later change of its key is there or
// comes after it.
func (w *walker) result() (stored, rest []*flying) {
	later := map[string]bool{}
	for _, f := range w.window[w.next:] {
		later[f.token] = true
	}
	for _, f := range w.met {
		later[f.token] = true
	}
	stored = w.met
	for _, f := range w.missing {
		if later[f.token] {
			stored = append(stored, f)
		} else {
			rest = append(rest, f)
		}
	}
	return stored, append(rest, w.window[w.next:]...)
}

// is reports whether a message with that header is f.
func (f *flying) is(token string, h nats.Header) bool {
	if token != f.token {
		return false
	}
	if f.repair != (position{}) && headerValue(h, headerRepair) != f.repair.String() {
		return false
	}
	s := readShown(h, ^uint64(0))
	if f.change == nil {
		return s.deleted && s.at == position{}
	}
	return s.at == positionOf(f.change) && s.deleted == (f.change.Op == bus.OpDelete)
}
