package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of timers.
const (
	// timerBucket holds what is due at an engine time: key = time, layer, id.
	timerBucket = "_timer"
	// timersPerTick bounds what one turn of the loop rings.
	timersPerTick = 4096
	// timerPause is how long, in engine time, a timer whose layer failed waits
	// for its next try.
	timerPause = time.Second
)

// A Timer is something that is due at an engine time: an end of a delay, of a
// deadline. It is in the log like any key: it survives restarts, and the time in
// which no engine runs does not count.
type Timer struct {
	Due time.Duration // engine time
	ID  string        // whatever the layer knows it by
}

// SetTimer has the layer's Timer procedure called once engine time is t.Due.
// Two timers of one layer with the same time and id are one.
func (tx *Tx) SetTimer(layer string, t Timer) { tx.Put(timerBucket, timerKey(layer, t), nil) }

// StopTimer takes a timer back, if it has not rung.
func (tx *Tx) StopTimer(layer string, t Timer) {
	tx.Delete(timerBucket, timerKey(layer, t), bus.ReasonDeleted)
}

// timerKey orders timers by their time.
func timerKey(layer string, t Timer) string {
	due := strconv.FormatInt(max(int64(t.Due), 0), 10)
	return strings.Repeat("0", len("9223372036854775807")-len(due)) + due + " " + layer + " " + t.ID
}

func parseTimer(key string) (layer string, t Timer, ok bool) {
	parts := strings.SplitN(key, " ", 3)
	if len(parts) != 3 {
		return "", t, false
	}
	due, err := strconv.ParseInt(parts[0], 10, 64)
	return parts[1], Timer{time.Duration(due), parts[2]}, err == nil
}

// ringTimers calls the layers whose timers are due, each in a transaction of
// its own.
func (e *Engine) ringTimers() {
	var due []string
	until := timerKey("", Timer{Due: time.Duration(e.now) + 1})
	e.head.Range(timerBucket, "", &until, func(c *bus.Change) bool {
		due = append(due, c.Key)
		return len(due) < timersPerTick
	})
	for _, key := range due {
		if len(e.rounds) >= maxRounds {
			return // the log is behind: the next tick goes on
		}
		if err := e.ring(key, true); err != nil {
			e.cfg.Logger.Error("a timer failed and is tried again", "timer", key, "error", err)
			_ = e.ring(key, false) // it moves the timer; what fails here is tried at the next tick
		}
	}
}

// ring ends a timer: its layer does what it was set for, or it is set anew.
func (e *Engine) ring(key string, do bool) error {
	_, err := e.transact("", 0, true, func(tx *Tx) (any, error) {
		tx.Delete(timerBucket, key, bus.ReasonDeleted)
		layer, t, ok := parseTimer(key)
		fn := e.timers[layer]
		switch {
		case !ok || fn == nil:
			return nil, nil // a layer of another version: nobody knows what it was for
		case do:
			return nil, fn(tx, t.ID)
		}
		tx.SetTimer(layer, Timer{tx.Now() + timerPause, t.ID})
		return nil, nil
	}, nil)
	return err
}
