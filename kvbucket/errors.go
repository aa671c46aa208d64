package kvbucket

import (
	"errors"

	"github.com/lwjbus/lwjbus/bus"
)

// Errors of a request as such. They are found before anything is sent, and by
// the host as well; their code is bus.CodeUsage.
var (
	// ErrEmptyKey is returned for the key "".
	ErrEmptyKey = errors.New("empty key")
	// ErrInvalidKey is returned for a key that is no UTF-8 or over MaxKey bytes.
	ErrInvalidKey = errors.New("invalid key")
	// ErrInvalidBucket is returned for a name that no bucket can have.
	ErrInvalidBucket = errors.New("invalid bucket name")
	// ErrInvalidOwner is returned for an owner, or a TTL, that no key can have,
	// and for a change of owner that says nothing.
	ErrInvalidOwner = errors.New("invalid owner")
	// ErrTooLarge is returned for a value over MaxValue bytes, more than
	// MaxOperations operations, or what does not fit a record; its code is bus.CodeTooLarge.
	ErrTooLarge = bus.NewError(bus.CodeTooLarge, "too large")
	// ErrDenied is returned for a write to a bucket that another layer keeps.
	ErrDenied = bus.NewError(bus.CodeDenied, "denied")
)

// Errors of what is there. Each is a *bus.Error whose Revision says more.
var (
	// ErrNotFound is returned when the key does not exist; Revision is the one
	// that was read.
	ErrNotFound = bus.NewError(bus.CodeNotFound, "no such key")
	// ErrExists is returned by Create when the key exists; Revision is the key's.
	ErrExists = bus.NewError(bus.CodeExists, "the key exists")
	// ErrRevision is returned when the key is not at the revision of an
	// IfRevision; Revision is the key's, 0 when it does not exist.
	ErrRevision = bus.NewError(bus.CodeRevision, "the key is at another revision")
	// ErrNoOwner is returned by a write under an owner that is not registered, or
	// that is ending.
	ErrNoOwner = bus.NewError(bus.CodeNoOwner, "no such owner")
	// ErrFenced is returned by a write under an owner's token that is no longer
	// its own: the id has been registered again since.
	ErrFenced = bus.NewError(bus.CodeFenced, "the owner has been registered again since")
	// ErrOwnerEnded is returned by a wait that depended on an owner which is not
	// registered, or has ended.
	ErrOwnerEnded = bus.NewError(bus.CodeNever, "the owner has ended")
	// ErrCompacted is returned when what is asked for is no longer kept;
	// Revision is the first that works.
	ErrCompacted = bus.ErrCompacted
)

func usage(kind error, format string, args ...any) error {
	return &bus.UsageError{Kind: kind, Line: bus.NewError(bus.CodeUsage, format, args...)}
}
