package bus

import (
	"errors"
	"fmt"
)

// Code names a kind of failure on the wire, in JSON and in exit codes.
type Code string

// The codes. A code is never renamed: clients of other versions compare them.
const (
	CodeUsage          Code = "usage"           // the request itself is wrong
	CodeMalformed      Code = "malformed"       // bytes that are no message of ours
	CodeNotFound       Code = "not_found"       // no such key, job, pipe or code
	CodeExists         Code = "exists"          // create of a key that exists
	CodeRevision       Code = "revision"        // conditional write against another revision
	CodeTransition     Code = "transition"      // not an edge of the job's machine
	CodeFenced         Code = "fenced"          // not the owner's epoch or token
	CodeNever          Code = "never"           // what is waited for can no longer come
	CodeTooLate        Code = "too_late"        // the state has been entered already
	CodeNoOwner        Code = "no_owner"        // the owner is not registered
	CodeOverflow       Code = "overflow"        // a word would leave 64 bits
	CodeNotWord        Code = "not_word"        // the key holds no integer
	CodeTooLarge       Code = "too_large"       // over a limit of size
	CodeDenied         Code = "denied"          // not allowed
	CodeCompacted      Code = "compacted"       // history that is gone; Revision says the first that works
	CodeUnknownOutcome Code = "unknown_outcome" // nobody can tell whether it was done
	CodeNotActive      Code = "not_active"      // this engine does not answer; ask the active one
	CodeOverloaded     Code = "overloaded"      // a bounded queue is full for the moment: try again
	CodeFull           Code = "full"            // the disk or the quota is full: try again when something was freed
	CodeEmpty          Code = "empty"           // the pipe has nothing to hand out
	CodeNoRoom         Code = "no_room"         // the pipe is at its bounds
	CodeEnded          Code = "ended"           // the pipe takes nothing more, or has nothing more to come
	CodeRemoved        Code = "removed"         // it was there, and is no more
	CodeUnreachable    Code = "unreachable"     // no server, or no host behind it
	CodeTimeout        Code = "timeout"         // the deadline passed
	CodeClosed         Code = "closed"          // used after Close
	CodeStore          Code = "store"           // the store is broken, foreign or too new
	CodeInternal       Code = "internal"        // a fault of ours
)

// Error is a refusal as it travels: what, why and what to do.
type Error struct {
	_msgpack struct{} `msgpack:",as_array"`
	Code     Code
	Message  string // one line: what and why
	Hint     string // what to do; may be empty
	Revision uint64 // the revision the code speaks of, where it does
}

// NewError makes an error of a code.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns the error with what to do about it.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithRevision returns the error with the revision it speaks of.
func (e *Error) WithRevision(r uint64) *Error {
	c := *e
	c.Revision = r
	return &c
}

func (e *Error) Error() string { return e.Message }

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, kvbucket.ErrExists) holds whatever the message says.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// UsageError is an Error of CodeUsage that a package also knows by a sentinel
// of its own: errors.Is finds Kind, and what travels is Line.
type UsageError struct {
	Kind error
	Line *Error
}

// Error is that of the line.
func (e *UsageError) Error() string { return e.Line.Message }

// Unwrap gives both.
func (e *UsageError) Unwrap() []error { return []error{e.Kind, e.Line} }

// Errors of the connection.
var (
	// ErrUnknownOutcome is returned when nobody can tell any more whether a
	// request was executed. It was executed at most once.
	ErrUnknownOutcome = NewError(CodeUnknownOutcome, "nobody can tell whether the request was executed")
	// ErrUnreachable is returned when no host answered before the deadline
	// and the request was certainly not executed, or reads only.
	ErrUnreachable = NewError(CodeUnreachable, "no host answers")
	// ErrTimeout is returned when the deadline of a wait passed.
	ErrTimeout = NewError(CodeTimeout, "timed out")
	// ErrMalformed is returned for bytes that are no message of ours.
	ErrMalformed = NewError(CodeMalformed, "malformed message")
	// ErrClosed is returned after Close.
	ErrClosed = NewError(CodeClosed, "closed")
	// ErrCompacted is returned when history that is asked for is gone.
	ErrCompacted = NewError(CodeCompacted, "compacted")
	// ErrFull is returned when the disk or the quota is full; nothing was done.
	ErrFull = NewError(CodeFull, "full")
	// ErrOverloaded is returned when a queue of the host is full; nothing was done.
	ErrOverloaded = NewError(CodeOverloaded, "overloaded")
)

// CodeOf returns the code of err: that of the Error in its chain, "internal"
// for another error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
