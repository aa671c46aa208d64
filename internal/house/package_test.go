package house

import (
	"slices"
	"strings"
	"testing"
)

// packages returns the files of each package folder.
func packages(t *testing.T) map[string][]source {
	t.Helper()
	all := map[string][]source{}
	for _, f := range sources(t) {
		all[f.dir] = append(all[f.dir], f)
	}
	return all
}

func TestPackageDocs(t *testing.T) {
	t.Parallel()
	for dir, files := range packages(t) {
		if complaint := docComplaint(files); complaint != "" {
			t.Errorf("%s: %s", dir, complaint)
		}
	}
}

// docComplaint says what is wrong with the doc comment of a package.
func docComplaint(files []source) string {
	var docs []source
	for _, f := range files {
		if f.doc != "" && !f.test() {
			docs = append(docs, f)
		}
	}
	pkg := strings.TrimSuffix(files[0].pkg, "_test")
	switch {
	case len(docs) == 0:
		return "want a package comment, got none"
	case len(docs) > 1:
		return "want one package comment, got them in " + docs[0].name + " and " + docs[1].name
	case pkg == "main" && strings.HasPrefix(docs[0].doc, "Command "):
		return ""
	case pkg == "main":
		return "want a comment that begins with \"Command \""
	case docs[0].name != "doc.go":
		return "want the package comment in doc.go, got it in " + docs[0].name
	case !strings.HasPrefix(docs[0].doc, "Package "+pkg+" "):
		return "want a comment that begins with \"Package " + pkg + " \""
	}
	return ""
}

func TestDocComplaint(t *testing.T) {
	t.Parallel()
	good := source{name: "doc.go", pkg: "bus", doc: "Package bus carries.\n"}
	tests := []struct {
		name  string
		files []source
		want  string
	}{
		{"good", []source{good, {name: "conn.go", pkg: "bus"}}, ""},
		{"none", []source{{name: "conn.go", pkg: "bus"}}, "got none"},
		{"in a test", []source{{name: "bus_test.go", pkg: "bus", doc: "Package bus carries.\n"}}, "got none"},
		{"two", []source{good, {name: "conn.go", pkg: "bus", doc: "Package bus is more.\n"}}, "one package comment"},
		{"elsewhere", []source{{name: "conn.go", pkg: "bus", doc: "Package bus carries.\n"}}, "in doc.go"},
		{"another name", []source{{name: "doc.go", pkg: "bus", doc: "Package buses carries.\n"}}, "begins with"},
		{"command", []source{{name: "main.go", pkg: "main", doc: "Command lwj runs.\n"}}, ""},
		{"not a command", []source{{name: "main.go", pkg: "main", doc: "The program.\n"}}, "Command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := docComplaint(tt.files)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

// TestExamplesAreTested wants each program of examples beside a test, or its
// folder's name in a test of a folder above.
func TestExamplesAreTested(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for dir, files := range all {
		name, ok := strings.CutPrefix(dir, "examples/")
		if !ok || files[0].pkg != "main" {
			continue
		}
		own := slices.ContainsFunc(files, source.test)
		if !own && !slices.ContainsFunc(all["examples"], func(f source) bool { return f.test() && f.mentions(t, name) }) {
			t.Errorf("want a test that runs %s, got none in its folder and no mention of %q in the tests of examples", dir, name)
		}
	}
}
