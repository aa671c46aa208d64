package fifo_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, enginetest.ServerLeaks()...) }
