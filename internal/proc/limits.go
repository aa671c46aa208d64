package proc

import "time"

// The bounds of a group. None can be configured: a caller who needs others
// needs another design.
const (
	// MaxTasks bounds the tasks of one group. Start refuses more (ErrSpec).
	MaxTasks = 4096
	// MaxSpec bounds the encoded Spec in bytes, environments of all tasks
	// included. Start refuses more (ErrSpec). The kernel refuses a command of
	// far less, which is an ExecFailed of the task.
	MaxSpec = 64 << 20
	// MaxFrame bounds the payload in bytes of every frame but the Spec's.
	MaxFrame = 256 << 10
	// ChunkSize is the most output in bytes that one Event carries.
	ChunkSize = 64 << 10
	// DrainTime is how long a process that outlived the tasks may keep their
	// output open before it is killed.
	DrainTime = 2 * time.Second
	// KillTime is how long the supervisor tries to get rid of processes by
	// SIGKILL before it reports them as left over (Done's Err).
	KillTime = 10 * time.Second
	// ControlTime is how long Start, Release and Signal wait for a supervisor
	// that does not read before they return an error.
	ControlTime = 10 * time.Second

	killTick = 10 * time.Millisecond // between two rounds of SIGKILL
	maxSweep = 1 << 20               // bytes read from a pipe whose holder cannot be killed; the largest pipe Linux gives
	maxText  = 4 << 10               // bytes of an error text on the wire
)

// Exit codes of tasks that could not be executed, as a shell reports them.
const (
	CodeNotFound = 127 // no such command
	CodeNotExec  = 126 // found, but it cannot be executed
	codeSignal   = 128 // plus the signal's number
)
