package lwj

import "github.com/lwjbus/lwjbus/bus"

// The verbs of jobs.
const (
	VerbSubmit  = "job.submit"  // SubmitRequest, SubmitAnswer
	VerbAdvance = "job.advance" // AdvanceRequest, ItemsAnswer
	VerbCancel  = "job.cancel"  // CancelRequest, ItemsAnswer
	VerbSignal  = "job.signal"  // SignalRequest, ItemsAnswer
	VerbPost    = "job.post"    // PostRequest, PostAnswer
	VerbForget  = "job.forget"  // ForgetRequest, ItemsAnswer
	VerbShow    = "job.show"    // ShowRequest, JobsAnswer
	VerbList    = "job.list"    // ListRequest, JobsAnswer
	VerbAwait   = "job.await"   // AwaitRequest, AwaitAnswer; held by the host
	VerbReplay  = "job.replay"  // ReplayRequest, bus.Page
	VerbOwned   = "job.owned"   // OwnedRequest, OwnedAnswer
	VerbOutput  = "job.output"  // AppendRequest, AppendAnswer; answered by an OutputStore
	VerbRead    = "job.read"    // ReadRequest, ReadAnswer; answered by an OutputStore, held by the host
)

// Bounds of requests.
const (
	MaxSubmit = 1000 // jobs of one submit
	MaxItems  = 4096 // items of one request about many jobs
)

// SubmitRequest asks for jobs, all or none.
type SubmitRequest struct {
	Specs    []Spec `msgpack:"s"`
	Start    bool   `msgpack:"b,omitempty"` // they begin as reserved, owned by Owner, at epoch 1
	Owner    string `msgpack:"o,omitempty"`
	Token    uint64 `msgpack:"k,omitempty"`
	External State  `msgpack:"x,omitempty"` // they begin in this state, without owner, at epoch 1: for other launchers

	encoded [][]byte // the specs, once they were checked
}

// SubmitAnswer has the ids of the jobs in the order of the specs.
type SubmitAnswer struct {
	IDs   []uint64 `msgpack:"i"`
	Known []uint64 `msgpack:"k,omitempty"` // those among them that were there before, by their dedup key
}

// AdvanceRequest asks for transitions of different jobs, each on its own.
type AdvanceRequest struct {
	Items []Advance `msgpack:"i"`
}

// Advance is one transition.
type Advance struct {
	ID     uint64  `msgpack:"i"`
	To     State   `msgpack:"t"`
	Epoch  uint64  `msgpack:"e"`
	Detail *Detail `msgpack:"d,omitempty"`
}

// CancelRequest asks to end jobs.
type CancelRequest struct {
	IDs    []uint64 `msgpack:"i"`
	Grace  int64    `msgpack:"g,omitempty"` // nanoseconds from SIGTERM to SIGKILL
	Reason string   `msgpack:"r,omitempty"` // Default: ReasonUser.
}

// SignalRequest asks to send a signal to the processes of jobs.
type SignalRequest struct {
	IDs    []uint64 `msgpack:"i"`
	Number int      `msgpack:"n"`
}

// ForgetRequest asks to remove jobs in a final state, with all their keys.
type ForgetRequest struct {
	IDs []uint64 `msgpack:"i"`
}

// ItemsAnswer has one result for each item or id, in their order.
type ItemsAnswer struct {
	Results []ItemResult `msgpack:"r"`
}

// ItemResult is what became of one item.
type ItemResult struct {
	State State      `msgpack:"s,omitempty"` // the job's state now
	Error *bus.Error `msgpack:"e,omitempty"` // nil: done
}

// Err returns the refusal, or nil.
func (r *ItemResult) Err() error {
	if r.Error == nil {
		return nil
	}
	return r.Error
}

// PostRequest adds an event to a job's log. Epoch 0 does not ask for an owner.
type PostRequest struct {
	ID    uint64      `msgpack:"i"`
	Epoch uint64      `msgpack:"e,omitempty"`
	Event EventRecord `msgpack:"v"`
}

// PostAnswer is the number of the event.
type PostAnswer struct {
	Number uint64 `msgpack:"n"`
}

// ShowRequest asks for jobs by id.
type ShowRequest struct {
	IDs []uint64 `msgpack:"i"`
	At  uint64   `msgpack:"a,omitempty"` // as of this revision. Default: now.
}

// ListRequest asks for the jobs that match, by id.
type ListRequest struct {
	Active bool              `msgpack:"v,omitempty"` // only jobs that are not in a final state
	States []State           `msgpack:"s,omitempty"` // Default: all.
	Labels map[string]string `msgpack:"l,omitempty"` // each of them
	Group  *string           `msgpack:"g,omitempty"`
	Dead   bool              `msgpack:"d,omitempty"` // failed with their retries spent
	Newest bool              `msgpack:"n,omitempty"` // highest id first
	Limit  int               `msgpack:"m,omitempty"` // rows. Default: all.

	// What follows continues a list: see JobsAnswer.
	From uint64   `msgpack:"f,omitempty"` // first id to look at
	IDs  []uint64 `msgpack:"i,omitempty"` // only these
	At   uint64   `msgpack:"a,omitempty"`
}

// JobsAnswer is jobs as they were at Revision. When Next or Rest is set there
// is more: ask again with From: Next, or IDs: Rest (a part of it), At: Revision.
type JobsAnswer struct {
	Revision uint64   `msgpack:"v"`
	Jobs     []Info   `msgpack:"j,omitempty"`
	Next     uint64   `msgpack:"n,omitempty"`
	Rest     []uint64 `msgpack:"r,omitempty"`
}

// Info is a job at one revision.
type Info struct {
	ID       uint64      `msgpack:"i"`
	Revision uint64      `msgpack:"v"` // of its state
	Spec     Spec        `msgpack:"s"`
	Control  Control     `msgpack:"c"`
	State    StateRecord `msgpack:"t"`
	Times    []Entered   `msgpack:"h,omitempty"` // the newest entry of each state, in the order of time
	Host     string      `msgpack:"o,omitempty"` // where it runs or ran last
	Pids     []int       `msgpack:"p,omitempty"` // of its tasks, while it runs
}

// Final reports whether the job has ended.
func (i *Info) Final() bool { return i.Spec.machine().Final(i.State.State) }

// Entered is when a job entered a state.
type Entered struct {
	_msgpack struct{} `msgpack:",as_array"`
	State    State
	Time     int64 // wall time, nanoseconds since 1970
}

// AwaitRequest waits at the host until jobs have been in a state.
type AwaitRequest struct {
	IDs    []uint64 `msgpack:"i"`
	Target State    `msgpack:"t"`           // a state, or AnyFinal
	Any    bool     `msgpack:"y,omitempty"` // one is enough. Default: all.
}

// AwaitAnswer says how the jobs stand, in the order of the ids. Where Done is
// false the time ran out: ask again.
type AwaitAnswer struct {
	Done bool     `msgpack:"d,omitempty"`
	Jobs []Waited `msgpack:"j"`
}

// Waited is how one awaited job stands.
type Waited struct {
	ID       uint64      `msgpack:"i"`
	Reached  bool        `msgpack:"d,omitempty"` // it has been in the state
	Never    bool        `msgpack:"n,omitempty"` // it can no longer come there
	Revision uint64      `msgpack:"v"`           // of its state now
	State    StateRecord `msgpack:"s"`           // its state now
}

// ReplayRequest asks for the changes of jobs in commit order, a page at a time.
type ReplayRequest struct {
	IDs    []uint64 `msgpack:"i,omitempty"` // Default: all jobs.
	States []State  `msgpack:"s,omitempty"` // transitions into these only, and no other events. Default: all.
	From   uint64   `msgpack:"f,omitempty"` // first revision
	Start  bool     `msgpack:"b,omitempty"` // From is no claim: begin with the oldest kept
	Since  int64    `msgpack:"t,omitempty"` // leave out what is older: wall time, nanoseconds since 1970
	Single bool     `msgpack:"o,omitempty"` // the N.state of the one id and nothing else
	Repair bool     `msgpack:"r,omitempty"` // it was missed a moment ago: versions that are no longer kept do while they are recent
}

// OwnedRequest asks for the control records of an owner's jobs.
type OwnedRequest struct {
	Owner string `msgpack:"o"`
	Since uint64 `msgpack:"v,omitempty"` // only those changed after this revision
}

// OwnedAnswer is those records as of Revision, by job.
type OwnedAnswer struct {
	Revision uint64  `msgpack:"v"`
	Jobs     []Owned `msgpack:"j,omitempty"`
}

// Owned is one control record.
type Owned struct {
	ID       uint64  `msgpack:"i"`
	Revision uint64  `msgpack:"v"`
	Control  Control `msgpack:"c"`
}
