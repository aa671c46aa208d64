package cli

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples runs the example of every command's help, line after line, in a
// data directory of its own.
func TestExamples(t *testing.T) {
	t.Parallel()
	a := &app{Streams: System(), signals: newSignals()}
	eachCommand(a.root(), func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			t.Parallel()
			if c.Example == "" {
				t.Fatal("want an example in its help, got none")
			}
			if !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("want %s in its example, got %s", c.CommandPath(), c.Example)
			}
			runExample(t, c.Example)
		})
	})
}

// eachCommand calls do for a command and all below it.
func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

func runExample(t *testing.T, example string) {
	t.Helper()
	dir := t.TempDir()
	sh := exec.CommandContext(t.Context(), "sh", "-eu", "-c", example)
	sh.Dir = dir
	sh.Env = append(sh.Environ(), "LWJ_DIR="+dir+"/state", "HOME="+dir)
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Errorf("want exit code 0, got %v of\n%s\n%s", err, example, out)
	}
	awaitNoHost(dir + "/state")
}
