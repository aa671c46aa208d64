package proc

import "fmt"

// Kind says what an Event tells.
type Kind uint8

// The kinds of events. Of every task exactly one ends it: Exited or ExecFailed.
const (
	// Held: the task's process exists and waits for Release. Pid is the pid
	// the command will have.
	Held Kind = iota + 1
	// Started: the task executes its command. Pid is set.
	Started
	// ExecFailed: the command could not be executed. Code is CodeNotFound or
	// CodeNotExec, Err says why.
	ExecFailed
	// Output: Data was written to Stream. It may follow the task's Exited.
	Output
	// Exited: the task ended. Code is its exit status, or 128 plus Signal.
	// Err is set when it ended for a reason of ours: stopped before it
	// started, or the supervisor died.
	Exited
	// Done: no event follows. Err names what went wrong with the group.
	Done
)

// String returns the kind's name in lower case.
func (k Kind) String() string {
	names := [...]string{"", "held", "started", "execfailed", "output", "exited", "done"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return names[k]
}

// Stream names one of a task's two outputs.
type Stream uint8

// The streams, by their file descriptor.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// String returns "stdout" or "stderr".
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	}
	return fmt.Sprintf("stream(%d)", uint8(s))
}

// Event is one thing that happened to a group. Which fields are set stands
// with its Kind.
type Event struct {
	Kind   Kind
	Task   int    // 0 to Tasks-1; 0 in Done
	Pid    int    // Held, Started, Exited; 0 when there never was a process
	Stream Stream // Output
	Data   []byte // Output: 1 to ChunkSize bytes, valid until the handler returns
	Code   int    // Exited, ExecFailed: 0 to 255
	Signal int    // Exited: the signal that ended the task, else 0
	Err    string // ExecFailed, Exited, Done: one line, or empty
}
