package house

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const decisions = "docs/adr"

func TestDecisionNumbers(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(root, decisions))
	if err != nil {
		t.Fatalf("read the decisions: %v", err)
	}
	name := regexp.MustCompile(`^(\d{3})-[a-z0-9-]+\.md$`)
	seen := map[string]string{}
	for _, e := range entries {
		m := name.FindStringSubmatch(e.Name())
		if m == nil {
			t.Errorf("%s: want a name like 001-dependencies.md", e.Name())
			continue
		}
		if first, ok := seen[m[1]]; ok {
			t.Errorf("want each number once, got %s and %s", first, e.Name())
		}
		seen[m[1]] = e.Name()
		if want := "# " + m[1] + ". "; !strings.HasPrefix(read(t, decisions+"/"+e.Name()), want) {
			t.Errorf("%s: want its first line to begin with %q", e.Name(), want)
		}
	}
}

func TestDependenciesAreDecided(t *testing.T) {
	t.Parallel()
	required := requiredModules(t)
	decided := decidedModules(read(t, decisions+"/001-dependencies.md"))
	for _, f := range sources(t) {
		for _, i := range f.imports {
			m := moduleOf(required, i)
			if m != "" && !slices.Contains(decided, m) {
				t.Errorf("%s imports %s: want a line for %s in %s/001-dependencies.md, got none", f.path(), i, m, decisions)
			}
		}
	}
	for _, m := range decided {
		if !slices.Contains(required, m) {
			t.Errorf("001-dependencies.md has a line for %s: want it in go.mod, got nothing", m)
		}
	}
}

// requiredModules returns the modules that go.mod requires.
func requiredModules(t *testing.T) []string {
	t.Helper()
	var mod struct{ Require []struct{ Path string } }
	if err := json.Unmarshal([]byte(goCommand(t, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatalf("decode go.mod: %v", err)
	}
	var paths []string
	for _, r := range mod.Require {
		paths = append(paths, r.Path)
	}
	return paths
}

// decidedModules returns the modules that the lines of a table begin with.
func decidedModules(text string) []string {
	var paths []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		paths = append(paths, m[1])
	}
	return paths
}

// moduleOf returns the module that an import comes from, empty for ours and
// the standard library's.
func moduleOf(modules []string, path string) string {
	longest := ""
	for _, m := range modules {
		if under(m)(path) && len(m) > len(longest) {
			longest = m
		}
	}
	return longest
}
