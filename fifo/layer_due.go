package fifo

import (
	"strconv"
	"strings"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// The timers of the layer: the first letter of their ids.
const (
	timerRing  = "r" // of a pipe: claims are due
	timerPurge = "p" // of a removed pipe: parts are left
)

// handedBackAtOnce bounds the items that one timer hands back.
const handedBackAtOnce = 4096

func timerID(kind string, id uint64, name string) string {
	return kind + strconv.FormatUint(id, 10) + " " + name
}

func parseTimerID(s string) (kind string, id uint64, name string, ok bool) {
	number, name, ok := strings.Cut(s, " ")
	if !ok || number == "" {
		return "", 0, "", false
	}
	id, err := strconv.ParseUint(number[1:], 10, 64)
	return number[:1], id, name, err == nil
}

// ring is the pipe's timer: it has one, for the claim that is due first.
func (w *work) ring() engine.Timer {
	return engine.Timer{Due: time.Duration(w.Ring), ID: timerID(timerRing, w.id, w.name)}
}

// setRing sets the timer, unless it rings before.
func (w *work) setRing(due uint64) {
	if w.Ring == 0 {
		w.Ring = due
		w.tx.SetTimer(layerName, w.ring())
	}
}

// rang is called for each timer that is due.
func rang(tx *engine.Tx, s string) error {
	kind, id, name, ok := parseTimerID(s)
	switch {
	case ok && kind == timerPurge:
		purge(tx, id)
	case ok && kind == timerRing:
		w, err := load(tx, &pipeRequest{name, id})
		if err != nil {
			return nil // it was removed
		}
		return w.handBackDue()
	}
	return nil
}

// handBackDue takes back the claims whose time has passed, and sets the timer
// for the first of the others.
func (w *work) handBackDue() error {
	now := max(w.Ring, uint64(w.tx.Now()))
	w.Ring = 0
	items := uint64(0)
	for l := range lane(lanes) {
		for {
			key, c, err := w.firstClaim(l)
			if err != nil {
				return err
			}
			if key == "" {
				break
			}
			if c.Due > now || items >= handedBackAtOnce {
				w.ringFirst(c.Due)
				break
			}
			w.tx.Delete(claimBucket, key, bus.ReasonDeleted)
			w.handBack(l, c.Runs, true)
			items += count(c.Runs)
		}
	}
	if w.Ring != 0 {
		w.tx.SetTimer(layerName, w.ring())
	}
	w.save()
	return nil
}

// ringFirst makes the timer one for the earlier of two times.
func (w *work) ringFirst(due uint64) {
	if w.Ring == 0 || due < w.Ring {
		w.Ring = due
	}
}

// firstClaim is the claim of a lane that is due first; "": none.
func (w *work) firstClaim(l lane) (key string, c claim, err error) {
	prefix := lanePrefix(w.id, l)
	w.tx.Range(claimBucket, prefix, after(prefix), func(at *bus.Change) bool {
		ok := false
		if c, ok = decodeClaim(at.Value); !ok {
			err = broken("claim", at.Key)
		}
		key = at.Key
		return false
	})
	return key, c, err
}

func count(runs []run) (n uint64) {
	for _, r := range runs {
		n += r.Count
	}
	return n
}

// ownerEnded hands back what a reader held, and closes what a writer had open.
func ownerEnded(tx *engine.Tx, owner string, token uint64, limit int) (more bool) {
	o := engine.Owner{ID: owner, Token: token}
	return handBackOwned(tx, o, limit) || closeOwned(tx, o, limit)
}

// handBackOwned hands back the claims of an owner.
func handBackOwned(tx *engine.Tx, o engine.Owner, limit int) (more bool) {
	var held []*bus.Change
	items := uint64(0)
	tx.OwnedIn(o, claimBucket, func(c *bus.Change) bool {
		if more = items >= uint64(limit); more {
			return false
		}
		held = append(held, c)
		if of, ok := decodeClaim(c.Value); ok {
			items += 2 * count(of.Runs)
		}
		items++
		return true
	})
	for _, c := range held {
		handBackOne(tx, c)
	}
	return more
}

// handBackOne hands back one claim. One of a pipe that was removed, or that
// cannot be read, is only deleted.
func handBackOne(tx *engine.Tx, at *bus.Change) {
	l := mainLane
	if strings.Contains(at.Key, "\x01") {
		l = deadLane
	}
	c, ok := decodeClaim(at.Value)
	tx.Delete(claimBucket, at.Key, bus.ReasonOwnerGone)
	w, err := load(tx, &pipeRequest{Name: c.Name})
	if !ok || err != nil || !strings.HasPrefix(at.Key, lanePrefix(w.id, l)) {
		return
	}
	w.handBack(l, c.Runs, true)
	w.save()
}

// closeOwned ends the writers of an owner. Readers of a pipe that has no other
// are woken: it may be their end.
func closeOwned(tx *engine.Tx, o engine.Owner, limit int) (more bool) {
	var open []*bus.Change
	tx.OwnedIn(o, writerBucket, func(c *bus.Change) bool {
		if more = len(open) >= limit; !more {
			open = append(open, c)
		}
		return !more
	})
	for _, c := range open {
		tx.Delete(writerBucket, c.Key, bus.ReasonOwnerGone)
		w, err := load(tx, &pipeRequest{Name: string(c.Value)})
		if err == nil && writers(tx, w.id, 1) == 0 {
			w.wakeReaders()
		}
	}
	return more
}
