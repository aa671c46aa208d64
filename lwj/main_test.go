package lwj

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Init()
	launcherProcess()
	goleak.VerifyTestMain(m)
}
