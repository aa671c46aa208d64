package atomic

import "github.com/lwjbus/lwjbus/bus"

// Errors of words. Whoever gets one changed nothing.
var (
	// ErrOverflow is returned when the result of an addition has no 64 bits.
	ErrOverflow = bus.NewError(bus.CodeOverflow, "overflow")
	// ErrNotWord is returned when the key holds no decimal integer of 64 bits.
	ErrNotWord = bus.NewError(bus.CodeNotWord, "not a word")
	// ErrNotFound is returned with MustExist when the key does not exist.
	ErrNotFound = bus.NewError(bus.CodeNotFound, "no such word")
)
