package cli

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isTerminal tells whether w is a terminal: only terminals have a window size.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// dataWriter tells a reader that is gone from other errors: a pipe into head
// is no failure.
type dataWriter struct{ w io.Writer }

func (d dataWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = errClosedOut
	}
	return n, err
}
