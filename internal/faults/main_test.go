package faults_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

var (
	kills = flag.Int("kills", 40, "how often TestK25KilledHost kills the host")
	seed  = flag.Uint64("seed", 0, "of what is drawn at random; 0: another one each time")
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == helperMark {
		os.Exit(help(os.Args[2], os.Args[3:]))
	}
	goleak.VerifyTestMain(m, enginetest.ServerLeaks()...)
}
