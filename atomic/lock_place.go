package atomic

import (
	"fmt"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of what has a line to wait in.
const (
	MaxName         = 256      // bytes of a name
	MaxSlots        = 1 << 20  // maximum of a semaphore
	MaxParties      = 4096     // number of a barrier
	MaxProclamation = 64 << 10 // bytes of what a leader proclaims
	MaxWaiting      = 1 << 16  // places in all lines of a namespace
)

// The buckets of locks and their like. Users read and watch them, and name
// their keys in conditions: see Grant.Held.
const (
	// LockBucket shows the locks that are held alone, by lock.<name>, the leaders,
	// by elect.<name>, what they proclaim, by leader.<name>, and how many share
	// or wait for the rest: readers.<name>, semaphore.<name>, barrier.<name>,
	// double.<name>.
	LockBucket = "lwj-lock"
	// HoldBucket has one key for each share of what many hold: readers' locks,
	// slots of semaphores, who is inside a double barrier. It has no view.
	HoldBucket = "lwj-hold"
)

// leaderPrefix begins the keys of LockBucket that hold what a leader proclaims.
const leaderPrefix = "leader."

// line is what several wait for, one after the other. The names travel, and
// stand in keys.
type line string

const (
	lineLock      line = "lock"
	lineSemaphore line = "semaphore"
	lineElection  line = "elect"
	lineBarrier   line = "barrier"
	lineDouble    line = "double"
)

// gathers tells whether those in line wait for each other.
func (l line) gathers() bool { return l == lineBarrier || l == lineDouble }

// largest is the largest size that the line can have; 0: it has none.
func (l line) largest() int {
	switch l {
	case lineSemaphore:
		return MaxSlots
	case lineBarrier, lineDouble:
		return MaxParties
	}
	return 0
}

// place is one place in a line, and what it leads to.
type place struct {
	Line   line
	Name   string
	Owner  string // the session
	Token  uint64
	Call   uint64 // tells the places of a session apart
	Ticket uint64 // revision that made it: the order of the line; 0: not known
	Shared bool   // of a lock: with other readers
}

// grantKey is where the grant of the place stands.
func (p *place) grantKey() (bucket, key string) {
	switch {
	case p.Line == lineElection, p.Line == lineLock && !p.Shared:
		return LockBucket, string(p.Line) + "." + p.Name
	}
	return HoldBucket, p.key()
}

// key is where the place itself stands. The length of the name tells where it
// ends, so that no two names collide.
func (p *place) key() string {
	return fmt.Sprintf("%s%020d", linePrefix(p.Line, p.Name), p.Ticket)
}

// linePrefix begins the keys of all places in a line.
func linePrefix(l line, name string) string { return fmt.Sprintf("%s.%d:%s:", l, len(name), name) }

func (p *place) check() error {
	switch p.Line {
	case lineLock, lineSemaphore, lineElection, lineBarrier, lineDouble:
		return checkName(p.Name)
	}
	return bus.NewError(bus.CodeUsage, "nothing is called a %q here", string(p.Line)).WithHint("compare lwj version of client and host")
}

func checkName(name string) error {
	if name != "" && len(name) <= MaxName && utf8.ValidString(name) {
		return nil
	}
	return &bus.UsageError{Kind: ErrInvalidName, Line: bus.NewError(bus.CodeUsage, "name %s: a name has 1 to %d bytes of UTF-8", shown([]byte(name)), MaxName)}
}

func (r *acquireRequest) check() error {
	most := r.Line.largest()
	switch err := r.place.check(); {
	case err != nil:
		return err
	case r.Size < min(most, 1) || r.Size > most:
		return bus.NewError(bus.CodeUsage, "%s of %d: it is %d to %d", r.Line, r.Size, min(most, 1), most)
	}
	return checkProclamation(r.Value)
}

func (r *awaitRequest) check() error { return r.place.check() }

func (r *proclaimRequest) check() error {
	if err := r.place.check(); err != nil {
		return err
	}
	return checkProclamation(r.Value)
}

func (r *leaderRequest) check() error { return checkName(r.Name) }

func checkProclamation(value []byte) error {
	if len(value) > MaxProclamation {
		return bus.NewError(bus.CodeTooLarge, "what a leader proclaims has %d bytes: at most %d are kept", len(value), MaxProclamation).
			WithHint("store it elsewhere and its name here")
	}
	return nil
}
