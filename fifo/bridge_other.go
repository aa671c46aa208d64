//go:build !linux

package fifo

import (
	"context"
	"os"

	"github.com/lwjbus/lwjbus/bus"
)

// namedFile is nothing here: this operating system does not tell when a reader
// has closed a named pipe.
type namedFile struct{}

func openNamed(path string) (*namedFile, error) {
	return nil, bus.NewError(bus.CodeUsage, "%s: a bridge needs Linux", path)
}

func (*namedFile) reader() (*os.File, error)                 { return nil, os.ErrInvalid }
func (*namedFile) writer(context.Context) (*writeEnd, error) { return nil, os.ErrInvalid }
func (*namedFile) closed() bool                              { return false }
func (*namedFile) awaitClose(context.Context) error          { return os.ErrInvalid }
func (*namedFile) close() error                              { return nil }

func unread(uintptr) int  { return 0 }
func isGone(uintptr) bool { return true }
func isBroken(error) bool { return false }
