package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// root is the top of the project, seen from this package.
const root = "../.."

// module is the path of the project's module.
const module = "github.com/lwjbus/lwjbus"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is one Go file.
type source struct {
	dir      string // relative to the root: "lwj/host"
	name     string // "session.go"
	pkg      string // of the package clause
	doc      string // package comment
	imports  []string
	funcs    []string // names of its functions, without methods
	comments string   // all of them
}

func (s source) path() string { return path.Join(s.dir, s.name) }

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

// project cuts the module's path from an import; ok is false for the imports
// of other modules.
func project(path string) (dir string, ok bool) { return strings.CutPrefix(path, module+"/") }

// sources parses every Go file of the module, whatever its build constraints.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range files(t, ".go") {
		all = append(all, parse(t, name))
	}
	if len(all) == 0 {
		t.Fatal("want Go files below the root, got none")
	}
	return all
}

// files returns the files of the module that end in suffix, relative to the root.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && foreign(p, d.Name()) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(p, suffix) {
			rel, err := filepath.Rel(root, p)
			found = append(found, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk the project: %v", err)
	}
	return found
}

// foreign tells whether a folder is no part of the module.
func foreign(p, name string) bool {
	if p == root {
		return false
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "dist" {
		return true
	}
	_, err := os.Stat(filepath.Join(p, "go.mod"))
	return err == nil
}

func parse(t *testing.T, name string) source {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	s := source{dir: path.Dir(name), name: path.Base(name), pkg: f.Name.Name, doc: f.Doc.Text()}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatalf("%s: import %s: %v", name, i.Path.Value, err)
		}
		s.imports = append(s.imports, p)
	}
	for _, c := range f.Comments {
		s.comments += c.Text() + "\n"
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			s.funcs = append(s.funcs, fn.Name.Name)
		}
	}
	return s
}
