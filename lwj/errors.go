package lwj

import "github.com/lwjbus/lwjbus/bus"

// Errors of jobs, each to be compared with errors.Is; what is returned says
// more than these do.
var (
	// ErrNoJob is returned for a job that has never been, or was forgotten.
	ErrNoJob = bus.NewError(bus.CodeNotFound, "no such job")
	// ErrTransition is returned when a job cannot go from its state to the asked one.
	ErrTransition = bus.NewError(bus.CodeTransition, "not an edge of the job's machine")
	// ErrFenced is returned to who is not, or no longer, the owner of a job.
	ErrFenced = bus.NewError(bus.CodeFenced, "the job belongs to another owner")
	// ErrNoOwner is returned when a job is to be given to an owner that is not
	// registered, or whose lease has ended.
	ErrNoOwner = bus.NewError(bus.CodeNoOwner, "the owner is not registered")
	// ErrNever is returned when what is waited for can no longer come.
	ErrNever = bus.NewError(bus.CodeNever, "it can no longer come")
	// ErrTooLate is returned when a job is in a final state, or has entered the
	// state that was to be held.
	ErrTooLate = bus.NewError(bus.CodeTooLate, "too late")
	// ErrTooLarge is returned for a spec or a request over its bound.
	ErrTooLarge = bus.NewError(bus.CodeTooLarge, "too large")
	// ErrGap is returned when output is appended behind a gap; the error's
	// Revision is the offset that is expected.
	ErrGap = bus.NewError(bus.CodeRevision, "output before it is missing")
)

// refuse returns an error of kind's code that says more.
func refuse(kind *bus.Error, format string, args ...any) *bus.Error {
	return bus.NewError(kind.Code, format, args...)
}

func usage(format string, args ...any) *bus.Error {
	return bus.NewError(bus.CodeUsage, format, args...)
}

func noJob(id uint64) *bus.Error {
	return refuse(ErrNoJob, "there is no job %d", id)
}
