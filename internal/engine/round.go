package engine

import (
	"errors"
	"math/rand/v2"

	"github.com/lwjbus/lwjbus/bus"
)

// round is what becomes one record: transactions that were evaluated one
// after the other, and the answers that wait for it to be stored.
type round struct {
	id      uint64
	txns    *encoder
	count   int
	before  uint64 // revision before its first transaction
	time    int64
	wall    int64
	changes []*bus.Change
	replies []reply
	snap    *Snapshot // as of its end, once it is closed
}

// reply is an answer that waits for its round.
type reply struct {
	req *request
	res *bus.Response
}

// Round is what a Publisher gets to see of a committed round.
type Round struct {
	Changes     []*bus.Change // in commit order
	Epoch       uint64
	Incarnation uint64
}

// A Publisher tells the world what was committed. Publish must not block.
type Publisher interface{ Publish(r *Round) }

func (e *Engine) newRound(time, wall int64) *round {
	return &round{id: rand.Uint64() | 1, txns: newEncoder(), before: e.head.revision, time: time, wall: wall}
}

// open returns the round that still grows, or nil.
func (e *Engine) open() *round {
	if n := len(e.rounds); n > 0 && e.rounds[n-1].snap == nil {
		return e.rounds[n-1]
	}
	return nil
}

// evaluate runs one request against the head. It returns the key under which
// the request is parked now, "" when it is answered. from is the key under
// which it was parked, "" for none: there it goes before those that wait.
func (e *Engine) evaluate(r *request, from string) string {
	if r.again && e.seen(r) {
		return ""
	}
	r.woken = from != ""
	out, err := e.transact(r.user, r.clock, r.proc.Reserve, func(tx *Tx) (any, error) { return r.proc.Run(tx, r.in) }, r)
	var p *Park
	if errors.As(err, &p) && e.park(r, p, p.Key == from) {
		return p.Key
	}
	if err != nil {
		e.answer(r, &bus.Response{Error: wireError(err)})
		return ""
	}
	e.answer(r, &bus.Response{Body: out})
	return ""
}

// seen answers a request that was answered before, or that may have been.
func (e *Engine) seen(r *request) bool {
	if a, ok := e.once.get(r.id); ok {
		res := &bus.Response{Body: a.body(), Revision: a.revision}
		if len(res.Body) == 0 {
			res.Error = wireError(answerGone(a.revision))
		}
		e.answer(r, res)
		return true
	}
	if r.base < e.once.floor {
		e.answer(r, &bus.Response{Error: bus.ErrUnknownOutcome})
		return true
	}
	return false
}

// transact evaluates one transaction, and puts it in the open round if it
// changed something. r is nil for the engine's own.
func (e *Engine) transact(user string, clock uint64, reserve bool, run func(*Tx) (any, error), r *request) ([]byte, error) {
	for {
		rd := e.open()
		fresh := rd == nil
		if fresh {
			rd = e.newRound(e.now, e.wall)
		}
		tx := &Tx{s: e.head, virtual: e.virtual, user: user, clock: max(clock, e.head.clock+1), now: rd.time, wall: rd.wall}
		if r != nil && !r.woken {
			tx.parking = &e.parking
		}
		body, err := e.attempt(tx, reserve, run)
		if bus.CodeOf(err) == bus.CodeFull && e.makeRoom() {
			continue
		}
		for _, g := range tx.givenUp {
			e.leave(g.key, func(r *request) bool { return err == nil && g.match(r.in) })
		}
		if err != nil || tx.count() == 0 {
			return body, err
		}
		fits, err := e.join(rd, tx, body, r)
		if err != nil {
			return nil, err
		}
		if fits {
			if fresh {
				e.rounds = append(e.rounds, rd)
			}
			return body, nil
		}
		e.closeRound(rd) // full: once more, in a round of its own
	}
}

// attempt runs the transaction and takes everything back if it fails.
func (e *Engine) attempt(tx *Tx, reserve bool, run func(*Tx) (any, error)) (body []byte, err error) {
	defer func() {
		if p := recover(); p == (tooManyChanges{}) {
			err = errTooManyChanges()
		} else if p != nil {
			err = bus.NewError(bus.CodeInternal, "the procedure failed: %v", p)
			e.cfg.Logger.Error("procedure panicked", "panic", p)
		}
		if err != nil {
			tx.rollback()
		}
	}()
	before := e.head.bytes
	out, err := run(tx)
	if err != nil {
		return nil, err
	}
	if err := e.quota(before, reserve); err != nil {
		return nil, err
	}
	if body, err = bus.Marshal(out); err == nil {
		err = e.checkAnswer(body)
	}
	return body, err
}

// join commits tx into the round if its record has room.
func (e *Engine) join(rd *round, tx *Tx, answer []byte, r *request) (bool, error) {
	var id []byte
	if r != nil && r.again {
		id = r.id[:]
	}
	start := rd.txns.buf.Len()
	tx.commit()
	rd.txns.txn(tx, id, answer)
	limit, size := e.cfg.Log.MaxRecord()-RecordReserve, rd.txns.buf.Len()
	if size > limit {
		rd.txns.buf.Truncate(start)
		e.head.revision--
		tx.rollback()
		if start == 0 {
			return false, bus.NewError(bus.CodeTooLarge, "the transaction has %d bytes; at most %d fit in a record", size, limit).WithHint("split it")
		}
		return false, nil
	}
	rd.count++
	e.parking.woken = append(e.parking.woken, tx.wakes...)
	e.head.bury(tx.changes)
	rd.changes = append(rd.changes, tx.changes...)
	e.recent.add(tx.changes)
	if id != nil {
		e.once.add(answered{id: r.id, revision: e.head.revision, time: rd.time, answer: answer})
	}
	return true, nil
}

// answer sends the response once everything its evaluation could see is
// stored: with the newest round there is, or at once.
func (e *Engine) answer(r *request, res *bus.Response) {
	if res.Revision == 0 {
		res.Revision = e.head.revision
	}
	res.Clock = max(r.clock, e.head.clock)
	if n := len(e.rounds); n > 0 {
		e.rounds[n-1].replies = append(e.rounds[n-1].replies, reply{r, res})
		return
	}
	e.respond(r, res)
}

func (e *Engine) respond(r *request, res *bus.Response) {
	if r.proc.Reveal != nil && res.Error == nil {
		e.reveal(r, res)
	}
	res.Epoch, res.Incarnation = e.epoch, e.incarn
	r.done(res)
}

// reveal makes the answer that is sent from the one that is kept.
func (e *Engine) reveal(r *request, res *bus.Response) {
	v := e.View(r.user)
	out, err := r.proc.Reveal(v, res.Body)
	if err == nil {
		res.Body, err = bus.Marshal(out)
	}
	if err == nil {
		err = e.checkAnswer(res.Body)
	}
	if err != nil {
		res.Body, res.Error = nil, wireError(err)
	}
}

// closeRound takes the snapshot that the round reveals.
func (e *Engine) closeRound(rd *round) {
	e.head.tidy()
	rd.snap = e.snapshot()
}

func (e *Engine) snapshot() *Snapshot {
	return &Snapshot{
		keyspace: e.head.snapshot(), Epoch: e.epoch, Incarnation: e.incarn,
		recent: e.recent.clip(), bytes: e.head.bytes, graves: e.head.graves,
	}
}
