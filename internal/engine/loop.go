package engine

import (
	"errors"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// evaluateBatch is how many requests are evaluated between two looks at
	// the acknowledgement.
	evaluateBatch = 256
	// maxRounds bounds the rounds that stand behind each other: one in flight,
	// one full, one that grows.
	maxRounds = 3
	// tickEvery is how often leases, once table and checkpoints are looked at.
	tickEvery = 100 * time.Millisecond
)

// ack is the log's answer to a record.
type ack struct {
	id  uint64
	seq uint64
	err error
}

// run is the engine's loop: it owns head, once table and rounds. It ends with
// Close, or by itself when the store is broken or the epoch lost.
func (e *Engine) run() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var batch []*request
	for {
		select {
		case <-e.ctx.Done():
			e.drain(bus.ErrClosed)
			return
		case a := <-e.acks:
			e.acked(a)
		case <-e.admit():
			batch = e.queue.take(batch, evaluateBatch)
			e.turn()
			for _, r := range batch {
				e.evaluate(r, "")
				e.wake()
			}
			clear(batch)
		case <-e.moreEnds():
			e.turn()
			e.endLeases()
			e.wake()
		case <-tick.C:
			e.tick()
		}
		e.publish()
		if e.err != nil {
			close(e.failed)
			e.queue.close()
			e.drain(wireError(e.err))
			return
		}
	}
}

// admit is the queue while there is room for more rounds, and the views are
// not too far behind. Meanwhile the queue fills up, and then refuses.
func (e *Engine) admit() <-chan struct{} {
	if len(e.rounds) >= maxRounds || e.lags {
		return nil
	}
	return e.queue.ready
}

// turn takes the time for what is evaluated now.
func (e *Engine) turn() {
	e.now, e.wall = e.engineTime(), time.Now().UnixNano()
}

// tick does what is due: leases that ended, timers, waits, old answers,
// checkpoints.
func (e *Engine) tick() {
	e.turn()
	e.endLeases()
	e.ringTimers()
	e.wake()
	e.giveUp(time.Now())
	e.wake()
	e.once.expire(e.now)
	e.considerCheckpoint()
	if e.project != nil {
		changes, bytes := e.project.Lag()
		e.lags = changes > MaxLag || bytes > MaxLagBytes
	}
}

// publish sends the oldest round to the log if nothing is in flight.
func (e *Engine) publish() {
	if e.flying || e.settles || len(e.rounds) == 0 || e.err != nil {
		return
	}
	rd := e.rounds[0]
	if rd.snap == nil {
		e.closeRound(rd)
	}
	data, err := sealRecord(&header{
		Kind: kindRound, Store: e.cfg.StoreID, Incarnation: e.incarn, Epoch: e.epoch, ID: rd.id, Previous: e.last,
		Revision: rd.before, Time: rd.time, Wall: rd.wall, Writer: e.id, Count: rd.count,
	}, rd.txns.buf.Bytes())
	if err != nil {
		e.err = err
		return
	}
	e.flying = true
	e.stats.record(rd, len(data))
	e.saver.logged += int64(len(data))
	e.cfg.Log.Append(e.seq, data, func(seq uint64, err error) {
		select {
		case e.acks <- ack{rd.id, seq, err}:
		case <-e.ctx.Done():
		}
	})
}

// acked takes up the log's answer to the record in flight.
func (e *Engine) acked(a ack) {
	if !e.flying || a.id != e.rounds[0].id {
		return // an answer that came after its doubt was settled
	}
	var refused *RefusedError
	switch {
	case a.err == nil:
		e.stored(a.seq)
	case errors.As(a.err, &refused):
		e.refused(refused)
	default:
		e.settle(a.err)
	}
}

// stored reveals the round in flight: it is in the log as record seq.
func (e *Engine) stored(seq uint64) {
	rd := e.rounds[0]
	e.rounds[0] = nil
	e.rounds, e.flying = e.rounds[1:], false
	e.seq, e.last = seq, rd.id
	e.publish() // storing the next one goes on while this one is told
	rd.snap.Epoch = e.epoch
	e.view.Store(rd.snap)
	if e.leases.revealed(rd.changes, e.engineTime()) { // before the answers: a client may renew at once
		e.ending = true
	}
	for _, w := range rd.replies {
		e.respond(w.req, w.res)
	}
	e.cfg.Publish.Publish(&Round{Changes: rd.changes, Epoch: e.epoch, Incarnation: e.incarn})
	if e.project != nil {
		e.project.Enqueue(seq, rd.changes)
	}
	e.waiters.revealed(rd.changes, rd.snap.revision)
}

// refused answers the round's callers with the server's definite refusal.
// What was evaluated on top of it is evaluated again.
func (e *Engine) refused(err *RefusedError) {
	dead := e.rounds[0]
	e.unwind(e.rounds[1:])
	for _, w := range dead.replies {
		e.respond(w.req, &bus.Response{Error: bus.NewError(bus.CodeFull, "%v", err).WithHint("free space in the store"), Revision: e.head.revision})
	}
}

// unwind takes the head back to what is acknowledged and puts the requests of
// the rounds back into the queue, in their order.
func (e *Engine) unwind(rounds []*round) {
	var again []*request
	for _, rd := range rounds {
		for _, w := range rd.replies {
			again = append(again, w.req)
		}
	}
	again = append(again, e.parking.all()...) // what they wait for may never have been, or come again
	s := e.view.Load()
	e.head.reset(s)
	e.once.truncate(s.revision)
	e.recent = s.recent
	e.leases.unwind()
	e.rounds, e.flying = nil, false
	e.queue.unshift(again)
}

// drain answers everybody who still waits. Nobody can tell what became of the
// round in flight; those behind it never were.
func (e *Engine) drain(err *bus.Error) {
	for i, rd := range e.rounds {
		res := bus.Response{Error: bus.NewError(bus.CodeNotActive, "the host stopped: %v", err)}
		if i == 0 && e.flying {
			res.Retry = overloadPause.Milliseconds() // in doubt: see bus.Response
		}
		for _, w := range rd.replies {
			answer := res
			e.respond(w.req, &answer)
		}
	}
	e.rounds = nil
	for _, r := range e.parking.all() {
		e.respond(r, e.refusal(err))
	}
	for rest := e.queue.take(nil, MaxQueued); len(rest) > 0; rest = e.queue.take(nil, MaxQueued) {
		for _, r := range rest {
			e.respond(r, e.refusal(err))
		}
	}
}
