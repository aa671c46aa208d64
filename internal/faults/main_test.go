package faults_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// kills is how often TestK25KilledHost kills the host.
var kills = flag.Int("kills", 40, "how often the host is killed")

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == helperMark {
		os.Exit(help(os.Args[2], os.Args[3:]))
	}
	goleak.VerifyTestMain(m)
}
