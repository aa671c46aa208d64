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

// advisories is where the server reports API requests of the account.
const advisories = "$JS.EVENT.ADVISORY.API"

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
