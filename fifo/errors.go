package fifo

import (
	"errors"

	"github.com/lwjbus/lwjbus/bus"
)

// Errors of a request as such. They are found before anything is sent, and by
// the host as well.
var (
	// ErrInvalidName is returned for a name that no pipe can have; its code is
	// bus.CodeUsage.
	ErrInvalidName = errors.New("invalid pipe name")
	// ErrTooLarge is returned for an item over MaxItem bytes, a batch over
	// MaxBatch items or MaxBatchBytes, and for what is larger than its pipe.
	ErrTooLarge = bus.NewError(bus.CodeTooLarge, "too large")
)

// Errors of what is there. Whoever gets one changed nothing.
var (
	// ErrNotFound is returned when there is no pipe of that name.
	ErrNotFound = bus.NewError(bus.CodeNotFound, "no such pipe")
	// ErrExists is returned by Create when there is a pipe with other limits.
	ErrExists = bus.NewError(bus.CodeExists, "the pipe exists with other limits")
	// ErrRemoved is returned when the pipe was removed, to everybody who is
	// blocked on it, too.
	ErrRemoved = bus.NewError(bus.CodeRemoved, "the pipe was removed")
	// ErrFull is returned by a put that does not wait when the pipe has no room,
	// or others wait for it.
	ErrFull = bus.NewError(bus.CodeNoRoom, "the pipe is full")
	// ErrEmpty is returned by a get that does not wait when nothing is there.
	ErrEmpty = bus.NewError(bus.CodeEmpty, "the pipe is empty")
	// ErrClosed is returned by a put into a pipe that was closed.
	ErrClosed = bus.NewError(bus.CodeEnded, "the pipe is closed")
	// ErrNotHeld is returned by an acknowledgement of what is no longer the
	// reader's: it was acknowledged or handed back, its time has passed, or the
	// reader's session has ended.
	ErrNotHeld = bus.NewError(bus.CodeFenced, "the item is not held by this reader")
	// ErrNoOwner is returned when the session of a reader or writer has ended.
	ErrNoOwner = bus.NewError(bus.CodeNoOwner, "the session has ended")
)

func badName(format string, args ...any) error {
	return &bus.UsageError{Kind: ErrInvalidName, Line: bus.NewError(bus.CodeUsage, format, args...)}
}
