package lwj

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

func TestMain(m *testing.M) {
	Init()
	// A supervisor of a race build is this binary, and would sleep a second at its exit.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	launcherProcess()
	goleak.VerifyTestMain(m, enginetest.ServerLeaks()...)
}
