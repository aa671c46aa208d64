package engine

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Park is the error of a procedure that cannot be done yet. What it did is
// undone, and the request waits at the host: it is evaluated again when a
// transaction wakes the key, in the order of arrival, or when its patience,
// bus.Request.Wait, ends; then it is answered with Empty. Nobody polls, and no
// herd is woken: a wake ends at the first request that parks again.
//
// At most MaxWaiting requests and MaxQueuedBytes of them are parked; whoever
// comes then is answered with Empty at once, and asks again after a pause.
//
// Parked requests are in memory only: when the host ends they are answered
// with CodeNotActive and their clients ask the next one, under the same ids.
type Park struct {
	Key   string
	Empty *bus.Error
}

// Error is that of Empty.
func (p *Park) Error() string { return p.Empty.Error() }

// Unwrap gives Empty to whoever does not park.
func (p *Park) Unwrap() error { return p.Empty }

// Wake has requests that are parked under the key evaluated again, right after
// this transaction, if it changes something.
func (tx *Tx) Wake(key string) { tx.wakes = append(tx.wakes, key) }

// Behind tells whether requests that came before this one wait under the key:
// whoever would overtake them parks. A request that was woken is behind nobody.
func (tx *Tx) Behind(key string) bool { return tx.parking != nil && len(tx.parking.byKey[key]) > 0 }

// GiveUp answers the requests that wait under the key and match with their
// Empty: whoever made them no longer waits. match gets what Decode made.
func (tx *Tx) GiveUp(key string, match func(in any) bool) {
	tx.givenUp = append(tx.givenUp, givenUp{key, match})
}

type givenUp struct {
	key   string
	match func(in any) bool
}

// parked is one request that waits for a wake.
type parked struct {
	r     *request
	empty *bus.Error
}

// parking is the requests that wait, by key, in order of arrival. It is the
// loop's own.
type parking struct {
	byKey map[string][]parked
	count int
	bytes int      // of the requests
	woken []string // keys whose requests are to be evaluated again
}

// park keeps a request that cannot be done yet, unless nobody waits for it or
// too many wait. It tells whether it did.
func (e *Engine) park(r *request, p *Park, front bool) bool {
	crowded := e.parking.count >= MaxWaiting || e.parking.bytes+r.size > MaxQueuedBytes && e.parking.count > 0
	if crowded || !time.Now().Before(r.patience) {
		return false
	}
	if e.parking.byKey == nil {
		e.parking.byKey = map[string][]parked{}
	}
	line := append(e.parking.byKey[p.Key], parked{r, p.Empty})
	if front {
		copy(line[1:], line)
		line[0] = parked{r, p.Empty}
	}
	e.parking.byKey[p.Key] = line
	e.parking.count++
	e.parking.bytes += r.size
	return true
}

// unpark takes the first request that waits under the key.
func (p *parking) unpark(key string) (*request, bool) {
	line := p.byKey[key]
	if len(line) == 0 {
		return nil, false
	}
	r := line[0].r
	line[0] = parked{}
	if line = line[1:]; len(line) == 0 {
		delete(p.byKey, key)
	} else {
		p.byKey[key] = line
	}
	p.count--
	p.bytes -= r.size
	return r, true
}

// wake evaluates the requests that were woken, each key's in their order until
// one parks again. What they wake comes after them.
func (e *Engine) wake() {
	for len(e.parking.woken) > 0 {
		key := e.parking.woken[0]
		e.parking.woken = e.parking.woken[1:]
		for {
			r, ok := e.parking.unpark(key)
			if !ok || e.evaluate(r, key) == key {
				break
			}
		}
	}
}

// giveUp answers parked requests whose patience has ended.
func (e *Engine) giveUp(now time.Time) {
	for key := range e.parking.byKey {
		e.leave(key, func(r *request) bool { return !now.Before(r.patience) })
	}
}

// leave answers the requests of a line that no longer wait. Those behind them
// may not have to wait any more, either.
func (e *Engine) leave(key string, leaves func(*request) bool) {
	line := e.parking.byKey[key]
	kept := line[:0]
	for _, p := range line {
		if !leaves(p.r) {
			kept = append(kept, p)
			continue
		}
		e.parking.count--
		e.parking.bytes -= p.r.size
		if !p.r.again || !e.seen(p.r) { // a copy of it may have been done, from another line
			e.answer(p.r, &bus.Response{Error: p.empty})
		}
	}
	if len(kept) == len(line) {
		return
	}
	clear(line[len(kept):])
	if len(kept) == 0 {
		delete(e.parking.byKey, key)
		return
	}
	e.parking.byKey[key] = kept
	e.parking.woken = append(e.parking.woken, key)
}

// all takes every request that waits: what they wait for may have changed
// unseen.
func (p *parking) all() (rs []*request) {
	for _, line := range p.byKey {
		for _, one := range line {
			rs = append(rs, one.r)
		}
	}
	*p = parking{}
	return rs
}
