package cli

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/lwj"
)

// raceOptions is the race detector's variable.
const raceOptions = "GORACE"

// TestMain makes this test program also be lwj, for scripts that call it, and
// the supervisor of the jobs that it runs.
func TestMain(m *testing.M) {
	lwj.Init()
	if _, set := os.LookupEnv(raceOptions); !set {
		os.Setenv(raceOptions, "atexit_sleep_ms=0") // else each lwj under the race detector ends a second late
	}
	testscript.Main(leakChecked{m}, map[string]func(){"lwj": func() { os.Exit(Main(System(), os.Args[1:])) }})
}

// leakChecked fails when goroutines are left after the last test.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
