package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/internal/engine/enginetest"

	"github.com/lwjbus/lwjbus/lwj"
)

func TestMain(m *testing.M) {
	lwj.Init()
	goleak.VerifyTestMain(m, enginetest.ServerLeaks()...)
}

func TestRun(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for i := 1; i <= jobs; i++ {
		fmt.Fprintf(&want, "job %d: complete, exit code 0: hello from %d of 8\n", i, i)
	}
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"-dir", t.TempDir()}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if want.String() != stdout.String() {
		t.Errorf("want\n%s\ngot\n%s", &want, &stdout)
	}
}
