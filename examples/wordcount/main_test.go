package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, tasks := range []string{"0", "-1", "100000", "many"} {
		if err := run(t.Context(), []string{"-tasks", tasks, "-dir", t.TempDir()}, io.Discard, io.Discard); err == nil {
			t.Errorf("-tasks %s: want an error, got none", tasks)
		}
	}
}

// words runs the example and returns what it prints, and the last line of it.
func words(t *testing.T, args ...string) (all, last string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), append([]string{"-dir", t.TempDir()}, args...), &stdout, &stderr); err != nil {
		t.Fatalf("%v; stderr: %s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return stdout.String(), lines[len(lines)-1]
}

func TestRun(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"a.go": "one two three\n", "b.go": "four five", "c.go": "six\n\nseven eight", "sub/d.go": "nine", "sub/e.txt": "not this one", "f.go/README": "nor this",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want := "task 0: 3 words\ntask 1: 4 words\ntask 2: 2 words\nall: 9 words\n" // c, a and d, b
	if got, _ := words(t, "-root", root, "-tasks", "3"); want != got {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
}

// Eight tasks find what one process finds in the same files.
func TestRunGoSource(t *testing.T) {
	t.Parallel()
	src, err := sourceTree(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(src, "net")
	want := "all: " + countAlone(t, root) + " words"
	if all, got := words(t, "-root", root); want != got {
		t.Errorf("want %q, got %q of\n%s", want, got, all)
	}
}

// countAlone hands all files of the tree to one wc.
func countAlone(t *testing.T, root string) string {
	t.Helper()
	var all []io.Reader
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, bytes.NewReader(text), strings.NewReader("\n"))
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files in %s: %v", len(all)/2, root, err)
	}
	wc := exec.CommandContext(t.Context(), "wc", "-w")
	wc.Stdin = io.MultiReader(all...)
	out, err := wc.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
