package house

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// top is all that stands at the top, beside names that begin with a dot.
func top() []string {
	return []string{
		"cmd", "bus", "kvbucket", "lwj", "fifo", "atomic", "examples", "docs", "internal",
		"go.mod", "go.sum", "Makefile", "LICENSE",
		"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
	}
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatalf("read the top: %v", err)
	}
	ignored := ignorePatterns(t)
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(top(), name) && !covers(ignored, name) {
			t.Errorf("%s stands at the top: want only %s; put it where it belongs", name, strings.Join(top(), " "))
		}
	}
}

// TestIgnoredNames wants no name of the project in .gitignore: a program built
// into a folder's name would hide the folder from git.
func TestIgnoredNames(t *testing.T) {
	t.Parallel()
	ignored := ignorePatterns(t)
	for _, name := range top() {
		if covers(ignored, name) {
			t.Errorf("want .gitignore to leave %s alone, got a pattern that covers it", name)
		}
	}
}

// ignorePatterns returns the lines of .gitignore without their outer slashes.
func ignorePatterns(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatalf("read what git ignores: %v", err)
	}
	defer f.Close()
	var patterns []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.Trim(strings.TrimSpace(s.Text()), "/"); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	return patterns
}

// covers tells whether one of the patterns matches a name at the top.
func covers(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := filepath.Match(p, name)
		return err == nil && ok
	})
}
