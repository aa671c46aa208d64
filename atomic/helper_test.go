package atomic_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
)

// helperMark as first argument makes the test binary a helper, which adds 1
// perAdder times to the word n of the host of a directory and prints what it
// got, one value a line.
const helperMark = "helper-of-a-test"

const (
	processes = 8  // of A02
	atOnce    = 16 // calls of a helper
)

func help(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := helpAdd(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		return 1
	}
	return 0
}

func helpAdd(ctx context.Context, dir string) error {
	c, err := bus.DialLocal(ctx, dir, bus.Config{})
	if err != nil {
		return err
	}
	defer c.Close()
	w, err := atomic.Open(c, "kv", "n")
	if err != nil {
		return err
	}
	got := make([]int64, perAdder)
	failed := make([]error, atOnce)
	together(atOnce, func(i int) {
		for k := i; k < perAdder && failed[i] == nil; k += atOnce {
			got[k], failed[i] = w.Add(ctx, 1)
		}
	})
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	var out bytes.Buffer
	for _, n := range got {
		fmt.Fprintln(&out, n)
	}
	_, err = os.Stdout.Write(out.Bytes())
	return err
}

// TestA02Processes adds from many processes to one word.
func TestA02Processes(t *testing.T) {
	t.Parallel()
	ctx, bed := testContext(t), natstest.New(t)
	exe, err := os.Executable()
	must(t, err)
	said := make([]string, processes)
	together(processes, func(i int) {
		cmd := exec.CommandContext(ctx, exe, helperMark, bed.Dir())
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("process %d: %v: %s", i, err, stderr.String())
		}
		said[i] = string(out)
	})
	var got []int64
	for _, line := range strings.Fields(strings.Join(said, "\n")) {
		n, err := strconv.ParseInt(line, 10, 64)
		must(t, err)
		got = append(got, n)
	}
	permutation(t, got)
	if n := word(t, ctx, bed.Conn(), "n"); n != processes*perAdder || len(got) != processes*perAdder {
		t.Errorf("want %d, got %d of %d adds", processes*perAdder, n, len(got))
	}
}
