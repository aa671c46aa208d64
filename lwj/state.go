package lwj

import "regexp"

// State is a state of a job. The machine of a job says which there are and
// which may follow which.
type State string

// The states of the default machine.
const (
	Submitted State = "submitted" // waits for an owner
	Reserved  State = "reserved"  // has an owner
	Starting  State = "starting"  // its processes are being made
	Running   State = "running"   // all its tasks have been exec'd
	Complete  State = "complete"  // every task ended with 0
	Failed    State = "failed"    // the detail's reason says why
	Cancelled State = "cancelled" // the detail's reason says by what
)

// AnyFinal is the target of a Wait for whichever final state comes.
const AnyFinal State = "final"

// Final reports whether s is a final state of the default machine: nothing
// follows it.
func (s State) Final() bool { return s == Complete || s == Failed || s == Cancelled }

// MaxStateName bounds a state's name, in bytes.
const MaxStateName = 32

var stateName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// ParseState returns the state of the default machine that is called name.
//
// Errors: CodeUsage, naming the states there are.
func ParseState(name string) (State, error) {
	s := State(name)
	if m := DefaultMachine(); !m.Has(s) {
		return "", usage("no state is called %q", name).WithHint("the states are %s", join(m.States))
	}
	return s, nil
}

// Reasons of a transition, in Detail.Reason.
const (
	ReasonExit        = "exit"         // failed: a task ended with another code than 0
	ReasonSignal      = "signal"       // failed: a signal ended a task
	ReasonTimeout     = "timeout"      // failed: the time limit passed
	ReasonExec        = "exec"         // failed: a task could not be started
	ReasonLost        = "lost"         // failed or submitted: the owner is gone
	ReasonAction      = "action"       // failed: a blocking action failed
	ReasonUser        = "user"         // cancelled: somebody asked for it
	ReasonHoldExpired = "hold-expired" // cancelled: a hold ended whose default is to cancel
	ReasonRetry       = "retry"        // submitted: the attempt failed and another is due
	ReasonReturned    = "returned"     // submitted: the owner gave the job back; costs no attempt
)
