package atomic

import (
	"errors"

	"github.com/lwjbus/lwjbus/bus"
)

// Errors of locks, semaphores, barriers and elections.
var (
	// ErrInvalidName is returned for a name that has not 1 to MaxName bytes of
	// UTF-8; its code is bus.CodeUsage.
	ErrInvalidName = errors.New("invalid name")
	// ErrNoOwner is returned when the session has ended, or is lost: nothing is
	// held under it any more.
	ErrNoOwner = bus.NewError(bus.CodeNoOwner, "no such owner")
	// ErrLost is returned when what was granted is no longer held: the session
	// ended, or it was released before.
	ErrLost = bus.NewError(bus.CodeFenced, "no longer held")
	// ErrMismatch is returned for a semaphore that is in use with another
	// maximum, and a barrier at which others wait for another number.
	ErrMismatch = bus.NewError(bus.CodeExists, "in use with another size")
	// ErrNoLeader is returned by Election.Leader when there is none.
	ErrNoLeader = bus.NewError(bus.CodeNotFound, "no leader")
)

func errMismatch(l line, name string, is, asked int) error {
	return bus.NewError(bus.CodeExists, "%s %s is in use with %d, not %d", l, shown([]byte(name)), is, asked).
		WithHint("name the same number everywhere, or take another name")
}

func errLost(p *place) error {
	return bus.NewError(bus.CodeFenced, "%s %s is not held any more: it was released, or its session ended", p.Line, shown([]byte(p.Name)))
}

func errNoOwner(id string) error {
	return bus.NewError(bus.CodeNoOwner, "owner %q is no session, or has ended", id).WithHint("open another session")
}

func errNoLeader(name string) error {
	return bus.NewError(bus.CodeNotFound, "election %s has no leader", shown([]byte(name)))
}
