package engine

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// maxSubject keeps a message's control line below the server's 4,096 bytes:
// a longer one closes the connection.
const maxSubject = 3900

// sendBatch publishes what was taken up; the last message of each bucket asks
// for an acknowledgement.
func (p *StreamProjector) sendBatch() {
	if len(p.batch) == 0 {
		return
	}
	batch := p.batch
	p.batch, p.batchBytes = nil, 0
	last := map[*bucketView]*flying{}
	for _, f := range batch {
		last[f.view] = f
	}
	for _, f := range batch {
		p.send(f, last[f.view] == f)
	}
}

// send waits for room and publishes one message behind the window of its bucket.
func (p *StreamProjector) send(f *flying, ask bool) {
	b := f.view
	if !p.room(f) || b.parked != nil {
		p.done(f)
		return
	}
	b.window = append(b.window, f)
	p.inFlight++
	p.inFlightBytes += f.size
	if b.doubt == nil {
		p.publish(f, ask)
	}
	if b.doubt != nil && ask && len(b.waiting) == 0 {
		p.settle(b)
	}
}

// check refuses what would break the connection instead of being stored.
func (f *flying) check(maxPayload int64) error {
	if len(f.view.prefix)+len(f.token) > maxSubject {
		return errPublishRefused
	}
	if f.token == "" {
		return errPublishRefused
	}
	if f.change != nil && int64(len(f.change.Value)+recordMargin) > maxPayload {
		return nats.ErrMaxPayload
	}
	return nil
}

// publish sends one message of the window; an error of the connection is doubt.
func (p *StreamProjector) publish(f *flying, ask bool) {
	b := f.view
	reply := ""
	if ask {
		p.token++
		reply = p.inbox + strconv.FormatUint(p.token, 10)
	}
	m := p.message.fill(b.prefix+f.token, reply, f.change, b.next, f.repair)
	b.next++
	f.slot = b.next
	if err := p.cfg.NATS.PublishMsg(m); err != nil {
		b.doubt = err
		return
	}
	if ask {
		a := &awaited{view: b, token: p.token, slot: f.slot, since: time.Now()}
		b.waiting = append(b.waiting, a)
		p.waiting[a.token] = a
	}
}

// room serves acknowledgements until f fits in what may be in flight; false
// when the projection ends.
func (p *StreamProjector) room(f *flying) bool {
	for p.inFlight > 0 && (p.inFlight >= ProjectInFlight || p.inFlightBytes+f.size > ProjectInFlightBytes) {
		if !p.serve() {
			return false
		}
	}
	for len(p.acks) > 0 {
		p.acked(<-p.acks)
	}
	return p.ctx.Err() == nil
}

// serve waits for one acknowledgement, or for the time at which one is given up.
func (p *StreamProjector) serve() bool {
	timer := time.NewTimer(ProjectCheck)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
		return false
	case m := <-p.acks:
		p.acked(m)
	case now := <-timer.C:
		p.giveUp(now)
	}
	return true
}

// acked takes up one acknowledgement. It vouches for its bucket's window up to
// its slot: every message there was conditional on the sequence before its own,
// so each sequence is taken, by us unless a foreign message was heard.
func (p *StreamProjector) acked(m *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.inbox), 10, 64)
	if err != nil {
		return
	}
	a := p.waiting[token]
	if a == nil {
		return // settled meanwhile
	}
	b := a.view
	delete(p.waiting, token)
	b.waiting = slices.DeleteFunc(b.waiting, func(w *awaited) bool { return w == a })
	seq, err := parseAck(m)
	switch {
	case err == nil && seq != a.slot:
		err = errOtherSequence
		fallthrough
	case err != nil:
		var refused *RefusedError
		if b.doubt == nil || errors.As(err, &refused) {
			b.doubt = err
		}
	case b.doubt == nil:
		p.confirm(b, a.slot)
	}
	if b.doubt != nil && len(b.waiting) == 0 {
		p.settle(b)
	}
}

// confirm ends the flight of everything up to slot.
func (p *StreamProjector) confirm(b *bucketView, slot uint64) {
	n := 0
	for n < len(b.window) && b.window[n].slot <= slot {
		p.land(b.window[n])
		n++
	}
	b.window = slices.Delete(b.window, 0, n)
	b.acked, b.pause = slot, 0
	p.advance()
}

// land takes a message out of what is in flight.
func (p *StreamProjector) land(f *flying) {
	p.inFlight--
	p.inFlightBytes -= f.size
	if f.change != nil {
		f.view.shownRev.Store(max(f.view.shownRev.Load(), f.change.Revision))
	}
	p.done(f)
}

// done tells the message's record.
func (p *StreamProjector) done(f *flying) {
	if f.record != nil {
		f.record.left--
	}
}
