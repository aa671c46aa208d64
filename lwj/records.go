package lwj

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Records are stored, and travel, as msgpack maps under short names: a reader
// skips the names it does not know, so that fields can be added.

// Detail says more about a transition. Every field may be absent.
type Detail struct {
	ExitCode *int   `msgpack:"x,omitempty" json:"exit_code,omitempty"` // of the job: the highest of its tasks
	Signal   int    `msgpack:"g,omitempty" json:"signal,omitempty"`    // that ended it
	Reason   string `msgpack:"r,omitempty" json:"reason,omitempty"`    // see ReasonExit and the others
	Host     string `msgpack:"h,omitempty" json:"host,omitempty"`      // where its processes are
	Pids     []int  `msgpack:"p,omitempty" json:"pids,omitempty"`      // of its tasks, by task
	Exits    []int  `msgpack:"c,omitempty" json:"exits,omitempty"`     // exit codes of its tasks, by task; 128+n for signal n
	Error    string `msgpack:"e,omitempty" json:"error,omitempty"`     // one line, for people
}

// StateRecord is the value of the key N.state: one transition and the state
// after it. When it was and which came before it stand in the change.
type StateRecord struct {
	State   State   `msgpack:"s"`
	From    State   `msgpack:"f,omitempty"` // empty: the job began
	Epoch   uint64  `msgpack:"e,omitempty"`
	Attempt uint32  `msgpack:"a,omitempty"`
	Detail  *Detail `msgpack:"d,omitempty"`
}

// Control is the value of the key N.ctl: who owns the job and what was asked
// of that owner.
type Control struct {
	Owner    string   `msgpack:"o,omitempty"` // empty: none
	Token    uint64   `msgpack:"k,omitempty"` // the owner's fencing token
	Epoch    uint64   `msgpack:"e,omitempty"` // counts the owners: 1 for the first, 0 before there was one
	Attempt  uint32   `msgpack:"a,omitempty"` // 1 for the first
	External bool     `msgpack:"x,omitempty"` // advanced by whoever knows the epoch; nobody owns it
	Own      bool     `msgpack:"m,omitempty"` // the spec has a machine of its own
	Cancel   *Cancel  `msgpack:"c,omitempty"` // asked for; stays as long as the job
	Signals  []Signal `msgpack:"g,omitempty"` // the newest asked for, oldest first, at most MaxSignals
	Holds    []Hold   `msgpack:"h,omitempty"`
	Waiting  *Waiting `msgpack:"w,omitempty"` // what the job stands still for
}

// Cancel is a request to end a job.
type Cancel struct {
	Reason   string        `msgpack:"r,omitempty"`
	Grace    time.Duration `msgpack:"g,omitempty"` // from SIGTERM to SIGKILL
	User     string        `msgpack:"u,omitempty"`
	Revision uint64        `msgpack:"v,omitempty"` // of the request
}

// Signal is a request to send a signal to the processes of a job.
type Signal struct {
	_msgpack struct{} `msgpack:",as_array"`
	Seq      uint64   // 1, 2, … for each job: an owner sends those above the last it sent
	Number   int
	User     string
}

// MaxSignals is how many requested signals a control record keeps.
const MaxSignals = 16

// Hold stops a job before it enters a state.
type Hold struct {
	ID       string `msgpack:"i"`
	State    State  `msgpack:"s"`
	Owner    string `msgpack:"o,omitempty"`
	Token    uint64 `msgpack:"k,omitempty"`
	User     string `msgpack:"u,omitempty"`
	Deadline int64  `msgpack:"d,omitempty"` // engine time, nanoseconds; 0: none
	Expires  int64  `msgpack:"t,omitempty"` // the same in wall time, nanoseconds since 1970, for people
	Expired  string `msgpack:"x,omitempty"` // what is done then: "release" or "cancel"
}

// Waiting is the state that a job stands before, and since when.
type Waiting struct {
	State State `msgpack:"s"`
	Since int64 `msgpack:"t,omitempty"` // wall time, nanoseconds since 1970
}

// EventRecord is the value of a key N.event.<n>: what happened to a job that
// is no transition. n counts from 1, without gaps.
type EventRecord struct {
	Kind    Kind              `msgpack:"k"`
	Name    string            `msgpack:"n,omitempty"` // KindEvent
	Data    map[string]string `msgpack:"d,omitempty"` // KindEvent
	State   State             `msgpack:"s,omitempty"` // KindSync, KindAction
	Hold    string            `msgpack:"h,omitempty"` // KindSync
	Action  string            `msgpack:"c,omitempty"` // KindAction
	Phase   string            `msgpack:"p,omitempty"` // KindSync: reached, released, expired; KindAction: started, finished
	Status  *int              `msgpack:"x,omitempty"` // KindAction, finished
	User    string            `msgpack:"u,omitempty"` // who posted it
	Epoch   uint64            `msgpack:"e,omitempty"`
	Attempt uint32            `msgpack:"a,omitempty"`
	Detail  *Detail           `msgpack:"t,omitempty"`
}

// Kind says what an event is.
type Kind string

// The kinds of events.
const (
	KindState    Kind = "state"     // a transition
	KindEvent    Kind = "event"     // posted by a user, or by the host: see EventTruncated
	KindSync     Kind = "sync"      // a hold was reached, released, or expired
	KindAction   Kind = "action"    // an action started or finished
	KindCaughtUp Kind = "caught-up" // everything before the monitor's start has been told
)

// Bounds of a job's events.
const (
	MaxEvents    = 10_000   // of one job
	MaxEventData = 64 << 10 // bytes of one event, encoded
)

// EventTruncated is the name of the event that tells that a job's output is
// over its limit: what came after it is not kept.
const EventTruncated = "truncated"

// decode reads a record of ours; what cannot be read is CodeStore, naming the key.
func decode[R any](c *bus.Change) (*R, error) {
	r := new(R)
	if u, ok := any(r).(unpackable); ok {
		if u.unpack(c.Value) {
			return r, nil
		}
		*r = *new(R) // it may be partly filled
	}
	if err := bus.Unmarshal(c.Value, r); err != nil {
		return nil, bus.NewError(bus.CodeStore, "key %s at revision %d cannot be read: %v", c.Key, c.Revision, err)
	}
	return r, nil
}
