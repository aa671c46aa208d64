package engine

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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

// advisories is where the server reports API requests of the account.
const advisories = "$JS.EVENT.ADVISORY.API"

// shortWalk is how many messages are read one by one rather than by a
// consumer, which takes longer to make.
const shortWalk = 32

// backwards bounds the messages that are looked at for the last one of ours.
const backwards = 1024

// open finds or makes the bucket's stream and sees up to where it shows the state.
func (p *StreamProjector) open(b *bucketView) {
	info, err := p.streams.OpenBucket(p.ctx, p.cfg.Store, b.name, p.cfg.History(b.name))
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

// advised takes up the server's report of an API request: one that takes
// something out of a stream of ours has the bucket looked at.
func (p *StreamProjector) advised(m *nats.Msg) {
	var audit struct {
		Subject string `json:"subject"`
	}
	if json.Unmarshal(m.Data, &audit) != nil {
		return
	}
	for _, request := range [...]string{"STREAM.PURGE.", "STREAM.DELETE.", "STREAM.MSG.DELETE.", "STREAM.UPDATE.", "STREAM.RESTORE."} {
		if _, stream, ok := strings.Cut(audit.Subject, request); ok {
			if b := p.compare.ofStream(stream); b != nil {
				p.notices.put(b, wholeBucket)
			}
		}
	}
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
	info, err := p.streams.OpenBucket(p.ctx, p.cfg.Store, b.name, p.cfg.History(b.name))
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
	info, err := p.streams.OpenBucket(p.ctx, p.cfg.Store, b.name, p.cfg.History(b.name))
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

// giveUp settles buckets whose acknowledgement does not come.
func (p *StreamProjector) giveUp(now time.Time) {
	for _, b := range p.buckets {
		if len(b.waiting) > 0 && now.Sub(b.waiting[0].since) > AckTimeout {
			b.doubt = errAckTimeout
			p.settle(b)
		}
	}
}

// reconnected settles what was in flight on the connection that broke.
func (p *StreamProjector) reconnected() {
	for _, b := range p.buckets {
		if len(b.window) > 0 {
			b.doubt = errDisconnected
			p.settle(b)
		}
	}
}

// check looks at every bucket for what nobody told.
func (p *StreamProjector) check(now time.Time) {
	p.giveUp(now)
	for _, b := range p.buckets {
		if b.parked != nil {
			if now.After(b.retry) {
				p.unpark(b)
			}
			continue
		}
		if p.inspect(b) != nil {
			return // nobody answers: what is in flight will be settled
		}
	}
}

// inspect compares the stream's counters with what the loop knows. Under our
// own writes the counts of messages and keys never fall.
func (p *StreamProjector) inspect(b *bucketView) error {
	ctx, cancel := context.WithTimeout(p.ctx, apiTry)
	defer cancel()
	s, err := p.js.Stream(ctx, b.stream)
	gone := errors.Is(err, jetstream.ErrStreamNotFound)
	if err != nil && !gone {
		return err
	}
	if gone || !s.CachedInfo().Created.Equal(b.created) || len(b.window) == 0 && s.CachedInfo().State.LastSeq != b.acked {
		if len(b.waiting) == 0 {
			p.settle(b)
		}
		return nil
	}
	state := s.CachedInfo().State
	if state.Msgs < b.msgs || state.NumSubjects < b.keys {
		p.log.Warn("somebody purged a bucket; it is filled again", "bucket", b.name)
		b.msgs, b.keys = state.Msgs, state.NumSubjects
		p.compare.want(b)
	}
	b.msgs, b.keys = max(b.msgs, state.Msgs), max(b.keys, state.NumSubjects)
	if dropped, err := b.sub.Dropped(); err == nil && dropped != b.dropped {
		b.dropped = dropped
		p.compare.wantSoon(b)
	}
	return nil
}

// noticed settles the buckets into which somebody was heard to publish.
func (p *StreamProjector) noticed() {
	for b, tokens := range p.notices.take() {
		for len(b.waiting) > 0 {
			if !p.serve() {
				return
			}
		}
		if b.parked != nil {
			continue
		}
		p.settle(b)
		for token := range tokens {
			if token == wholeBucket {
				p.compare.want(b)
				continue
			}
			if _, explained := b.wrong[token]; !explained {
				p.unexplained(b, token)
			}
		}
	}
}

// unexplained looks at a key that somebody published to without a trace
// behind our own messages: the message was refused, comes yet, or stands
// among ours. Which of ours it replaced only a comparison tells.
func (p *StreamProjector) unexplained(b *bucketView, token string) {
	m, err := p.get(b, whichMessage{Subject: b.prefix + token})
	if err == nil && m.Seq <= b.acked && !p.isShown(b, token, m) {
		p.foreign(b, token, m.Seq)
	}
	p.compare.wantSoon(b)
}

// isShown reports whether m is what the state, or a change not yet shown, says of the key.
func (p *StreamProjector) isShown(b *bucketView, token string, m *storedMessage) bool {
	c := p.lookup(b, token)
	if c == nil {
		return readShown(m.Header, p.cfg.Revision()).deleted
	}
	return positionOf(c).after(b.taken) || (&flying{token: token, change: c}).is(token, m.Header)
}

// lookup returns what the state says of an escaped key.
func (p *StreamProjector) lookup(b *bucketView, token string) *bus.Change {
	key, ok := bus.UnescapeKey(token)
	if !ok {
		return nil
	}
	return p.cfg.Lookup(b.name, key)
}

// putRight writes the keys that foreign messages changed.
func (p *StreamProjector) putRight() {
	for _, b := range p.buckets {
		for token, seq := range b.wrong {
			delete(b.wrong, token)
			m, err := p.get(b, whichMessage{Subject: b.prefix + token})
			if err == nil && m.Seq == seq {
				p.fix(b, token, b.taken.revision)
			}
		}
	}
	p.sendBatch()
}

// repair writes the keys in which the comparer found a difference.
func (p *StreamProjector) repair(r repairRequest) {
	defer close(r.done)
	for _, token := range r.tokens {
		if r.view.parked == nil {
			p.fix(r.view, token, r.upTo)
		}
	}
	p.sendBatch()
	for len(r.view.waiting) > 0 {
		if !p.serve() {
			return
		}
	}
}

// fix has the state's newest change of a key written once more, unless a
// change after revision upTo brings the key about by itself.
func (p *StreamProjector) fix(b *bucketView, token string, upTo uint64) {
	c := p.lookup(b, token)
	if c != nil && (c.Revision > upTo || positionOf(c).after(b.taken)) {
		return
	}
	f := &flying{view: b, token: token, change: c, repair: later(b.taken, position{0, 1}), size: changeWeight}
	if c != nil {
		f.size = weight(c)
	}
	p.join(f)
}
