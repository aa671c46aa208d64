package proc

import (
	"fmt"
	"os"
	"sync/atomic"
)

// A process of this package is known by both its argv[0] and the marker in
// its environment; either alone is an ordinary run of the program.
const (
	marker         = "LWJ_PROC"
	supervisorName = "lwj-supervisor"
	supervisorMode = "supervisor/1"
	taskName       = "lwj-task"
	taskMode       = "task/1"
)

// initialized is the one fact about this process that Start must know: without
// Init a supervisor would run main instead, and start supervisors of its own.
var initialized atomic.Bool

// Init runs this process as a supervisor, or as a task that is held, when it
// was started as one, and then never returns; else it returns at once. Call it
// first in main, before flags are parsed or anything is started: Start refuses
// to work without it (ErrInit).
//
// The marker LWJ_PROC is removed from the environment in any case.
func Init() {
	initialized.Store(true)
	mode, ok := os.LookupEnv(marker)
	if !ok || len(os.Args) == 0 {
		return
	}
	os.Unsetenv(marker)
	switch os.Args[0] {
	case supervisorName:
		os.Exit(runIn(mode, supervisorMode, runSupervisor))
	case taskName:
		os.Exit(runIn(mode, taskMode, runStub))
	}
}

// runIn refuses to run for a launcher of another version, which can only be
// where the running binary cannot be started again (see sys_other.go).
func runIn(got, want string, run func() int) int {
	if got == want {
		return run()
	}
	fmt.Fprintf(os.Stderr, "%s: started by another version of this program (%q, not %q): restart that one\n", os.Args[0], got, want)
	return CodeNotExec
}
