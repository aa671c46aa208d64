package proc

import "errors"

// When a group is started.
var (
	// ErrInit is returned by Start when main did not call Init first: the
	// supervisor would run the whole program instead.
	ErrInit = errors.New("this program cannot supervise processes: call Init first in main (in tests: in TestMain)")
	// ErrSpec is returned by Start, wrapped with what is wrong, when no
	// process can be started from the Spec.
	ErrSpec = errors.New("bad process specification")
)

// While a group runs.
var (
	// ErrEnded is returned by Release and Signal when the group has ended.
	ErrEnded = errors.New("the processes have ended")
	// ErrNoStdin is returned by writes to Stdin when Spec.Stdin was not set.
	ErrNoStdin = errors.New("the task reads from /dev/null: set Spec.Stdin")
)

// errProtocol means bytes between launcher and supervisor that are no frame.
var errProtocol = errors.New("launcher and supervisor do not understand each other")
