package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
)

// Exit codes. They are a contract.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNotFound  = 3
	exitCondition = 4
	exitConnect   = 5
	exitDenied    = 6
	exitCompacted = 7
	exitUnknown   = 8
	exitTimeout   = 124
	exitCancelled = 125
	exitSignal    = 128 // plus the signal's number
)

// exitCode returns the exit code of an error's code.
func exitCode(c bus.Code) int {
	switch c {
	case bus.CodeUsage, bus.CodeTooLarge, bus.CodeMalformed:
		return exitUsage
	case bus.CodeNotFound, bus.CodeNoOwner, bus.CodeRemoved:
		return exitNotFound
	case bus.CodeExists, bus.CodeRevision, bus.CodeTransition, bus.CodeFenced, bus.CodeTooLate, bus.CodeEmpty, bus.CodeNoRoom:
		return exitCondition
	case bus.CodeUnreachable, bus.CodeStore, bus.CodeNotActive:
		return exitConnect
	case bus.CodeDenied:
		return exitDenied
	case bus.CodeCompacted:
		return exitCompacted
	case bus.CodeUnknownOutcome:
		return exitUnknown
	case bus.CodeTimeout:
		return exitTimeout
	}
	return exitFailed
}

// usageError is a command line that cannot be understood.
type usageError struct {
	error
	help string // the command line that helps; empty: the help of the command that was meant
}

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...), ""}
}

// helped makes a usage error name the help of the command that was meant.
func helped(c *cobra.Command, err error) error {
	var usage usageError
	if errors.As(err, &usage) && usage.help == "" {
		return usageError{err, c.CommandPath() + " --help"}
	}
	return err
}

// errQuiet ends a command with an exit code and without a word.
type errQuiet int

func (e errQuiet) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// errTold is an error with an exit code of its own, such as another process or
// a job had.
type errTold struct {
	code int
	what *bus.Error
}

func (e errTold) Error() string { return e.what.Message }
func (e errTold) Unwrap() error { return e.what }

// errClosedOut is a data stream that nobody reads any more.
var errClosedOut = errors.New("nobody reads standard output any more")

// finish tells the error, if any, and returns the exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if errors.Is(err, errClosedOut) {
		return exitSignal + int(syscall.SIGPIPE)
	}
	var quiet errQuiet
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	if sig, ok := asSignal(ctx); ok && (err == nil || endedBySignal(err)) {
		return exitSignal + int(sig)
	}
	if err == nil {
		return exitOK
	}
	code, e := explain(err)
	a.tell(code, e)
	return code
}

func endedBySignal(err error) bool {
	return errors.Is(err, context.Canceled) || errors.As(err, new(errSignal)) || bus.CodeOf(err) == bus.CodeUnreachable
}

// explain finds the exit code of an error and what to say.
func explain(err error) (int, *bus.Error) {
	var told errTold
	if errors.As(err, &told) {
		return told.code, told.what
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage, bus.NewError(bus.CodeUsage, "%v", err).WithHint("%s shows what can be typed", cmp.Or(usage.help, "lwj help"))
	}
	var e *bus.Error
	switch {
	case errors.As(err, &e):
		full := *e
		full.Message = err.Error()
		return exitCode(e.Code), &full
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout, bus.NewError(bus.CodeTimeout, "%v", err)
	case errors.As(err, new(*os.PathError)):
		return exitFailed, bus.NewError(bus.CodeInternal, "%v", err).WithHint("check the path")
	}
	return exitFailed, bus.NewError(bus.CodeInternal, "%v", err)
}

// errorJSON is the line that tells an error where data is JSON, and how a
// detached process reports one.
type errorJSON struct {
	Code    int      `json:"code"` // exit code
	Name    bus.Code `json:"name"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
}

func newErrorJSON(code int, e *bus.Error) *errorJSON {
	return &errorJSON{Code: code, Name: e.Code, Message: oneLine(e.Message), Hint: oneLine(e.Hint)}
}

// tell writes one line to stderr: for people, or JSON where data is JSON.
func (a *app) tell(code int, e *bus.Error) {
	j := newErrorJSON(code, e)
	if a.output == outputJSON || a.output == outputLines {
		line, _ := json.Marshal(map[string]*errorJSON{"error": j}) // strings and a number always encode
		fmt.Fprintf(a.Err, "%s\n", line)
		return
	}
	if j.Hint != "" {
		j.Message += " (" + j.Hint + ")"
	}
	fmt.Fprintf(a.Err, "lwj: %s\n", visible(j.Message))
}

// oneLine joins the lines of a message.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}
