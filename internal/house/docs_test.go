package house

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read returns the text of a file of the project.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b)
}

// mentions tells whether the text of the file has word in it.
func (s source) mentions(t *testing.T, word string) bool {
	t.Helper()
	return strings.Contains(read(t, s.path()), word)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, ".md") {
		for _, target := range links(read(t, name)) {
			if complaint := linkComplaint(t, name, target); complaint != "" {
				t.Errorf("%s links to %s: %s", name, target, complaint)
			}
		}
	}
}

// links returns the targets of all inline links, images and reference
// definitions outside of code.
func links(text string) []string {
	text = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```\\s*$").ReplaceAllString(text, "")
	text = regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
	var targets []string
	for _, re := range []string{`\]\(\s*<?([^)\s>]+)`, `(?m)^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)`} {
		for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(text, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// linkComplaint says what is wrong with a link of the document name.
func linkComplaint(t *testing.T, name, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	file := name
	switch {
	case strings.HasPrefix(u.Path, "/"):
		return "want a path relative to the document"
	case u.Path != "":
		file = path.Join(path.Dir(name), u.Path)
	}
	if strings.HasPrefix(file, "../") {
		return "want a file of the project"
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		return "want a file there, got none"
	}
	if u.Fragment != "" && strings.HasSuffix(file, ".md") && !slices.Contains(anchors(read(t, file)), u.Fragment) {
		return "want such a heading in " + file + ", got none"
	}
	return ""
}

// anchors returns the anchors of a document's headings, spelled as GitHub does.
func anchors(text string) []string {
	text = regexp.MustCompile("(?ms)^```.*?^```\\s*$").ReplaceAllString(text, "")
	drop := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^#{1,6}\s+(.*?)\s*#*$`).FindAllStringSubmatch(text, -1) {
		found = append(found, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return found
}

func TestLinkComplaint(t *testing.T) {
	t.Parallel()
	text := "[a](a.md) ![b](<b.png> \"B\") `[c](c.md)`\n```\n[d](d.md)\n```\n[e]: e.md\n"
	if got, want := links(text), []string{"a.md", "b.png", "e.md"}; !slices.Equal(want, got) {
		t.Errorf("links: want %q, got %q", want, got)
	}
	if got, want := anchors("# Who hosts?\n```\n# no\n```\n## `lwj run`, 2\n"), []string{"who-hosts", "lwj-run-2"}; !slices.Equal(want, got) {
		t.Errorf("anchors: want %q, got %q", want, got)
	}
	for target, want := range map[string]string{
		"https://nats.io":            "",
		"../LICENSE":                 "",
		"adr/001-dependencies.md":    "",
		"adr/000-nothing.md":         "got none",
		"../../elsewhere.md":         "of the project",
		"/LICENSE":                   "relative",
		"../CHANGELOG.md#unreleased": "",
		"../CHANGELOG.md#no-such":    "heading",
	} {
		got := linkComplaint(t, "docs/page.md", target)
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: want %q, got %q", target, want, got)
		}
	}
}

// TestPromisesNameTests wants every test that a comment or a document names to
// exist. A name that ends in _ stands for several.
func TestPromisesNameTests(t *testing.T) {
	t.Parallel()
	all := sources(t)
	var exist []string
	for _, f := range all {
		if f.test() {
			exist = append(exist, f.funcs...)
		}
	}
	for _, f := range all {
		if !f.test() {
			wantTests(t, f.path(), f.comments, exist)
		}
	}
	for _, name := range files(t, ".md") {
		wantTests(t, name, read(t, name), exist)
	}
}

func wantTests(t *testing.T, where, text string, exist []string) {
	t.Helper()
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`).FindAllString(text, -1) {
		family := strings.HasSuffix(name, "_")
		if !slices.ContainsFunc(exist, func(e string) bool { return e == name || family && strings.HasPrefix(e, name) }) {
			t.Errorf("%s names %s: want such a test, got none", where, name)
		}
	}
}
