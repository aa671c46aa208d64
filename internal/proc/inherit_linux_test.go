package proc

import (
	"os/exec"
	"syscall"
	"testing"
)

// A task has the limits of a plain child, and no descriptor but its three.
func TestInherited(t *testing.T) {
	t.Parallel()
	script := "ulimit -n; umask"
	want, err := exec.Command("sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	leak, err := syscall.Dup(0) // inherited by every child of this process
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	for _, held := range []bool{false, true} {
		g, r := start(t, Spec{Command: sh(script + "; ls /proc/self/fd | wc -l"), Held: held})
		if err := g.Release(); err != nil {
			t.Fatal(err)
		}
		awaitDone(t, g)
		if want, got := string(want)+"4\n", r.output(0, Stdout); got != want { // the fourth is of ls
			t.Errorf("held %v: want %q, got %q", held, want, got)
		}
	}
}
