package house

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		for _, v := range violations(f) {
			t.Error(v)
		}
	}
}

func TestEveryPackageHasItsPlace(t *testing.T) {
	t.Parallel()
	places := slices.Concat(beside(), testOnly())
	for dir := range packages(t) {
		if stepOf(dir) < 0 && !matches(places, dir) {
			t.Errorf("%s has no place in the house: give it one in order(), beside() or testOnly() of this package, with the reason", dir)
		}
	}
}

// TestViolations proves that each rule can fail.
func TestViolations(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file, imports string
		want          string // part of the one violation; empty: none
	}{
		{"bus/conn.go", module + "/internal/engine", "neither keys nor jobs"},
		{"bus/conn.go", "github.com/nats-io/nats.go", ""},
		{"bus/conn.go", "github.com/nats-io/nats-server/v2/server", "one package starts servers"},
		{"bus/conn_test.go", "github.com/nats-io/nats-server/v2/server", ""},
		{"bus/embedded/server.go", "github.com/nats-io/nats-server/v2/server", ""},
		{"bus/embedded/server.go", module + "/bus", ""},
		{"bus/embedded/server.go", module + "/kvbucket", "accounts and files"},
		{"internal/engine/engine.go", module + "/bus", ""},
		{"internal/engine/engine.go", module + "/bus/embedded", "links a server"},
		{"internal/engine/engine.go", module + "/lwj", "knows no job"},
		{"internal/engine/engine.go", module + "/internal/engine/enginetest", "helps tests"},
		{"internal/engine/jslog.go", "github.com/nats-io/nats.go/jetstream", ""},
		{"kvbucket/layer.go", module + "/internal/engine", ""},
		{"kvbucket/layer_put.go", module + "/internal/engine", ""},
		{"kvbucket/bucket.go", module + "/internal/engine", "at any distance"},
		{"kvbucket/bucket.go", "github.com/nats-io/nats.go/jetstream", "no boundary"},
		{"kvbucket/bucket.go", module + "/atomic", "every other layer"},
		{"kvbucket/bucket.go", module + "/internal/natstest", "helps tests"},
		{"kvbucket/bucket.go", "testing", "helps tests"},
		{"atomic/word.go", module + "/fifo", "neither needs the other"},
		{"atomic/word.go", "sync/atomic", ""},
		{"fifo/pipe.go", module + "/kvbucket", ""},
		{"lwj/launcher.go", module + "/internal/proc", ""},
		{"lwj/launcher.go", module + "/lwj/queue", "handed in"},
		{"lwj/code/code.go", module + "/lwj", "handed in"},
		{"lwj/queue/worker.go", module + "/lwj", ""},
		{"lwj/queue/worker.go", module + "/lwj/runner", "two users"},
		{"lwj/queue/worker.go", module + "/lwj/host", "two users"},
		{"lwj/host/host.go", module + "/lwj/queue", ""},
		{"lwj/host/host.go", module + "/internal/cli", "put"},
		{"lwj/host/host.go", "github.com/spf13/cobra", "flags"},
		{"internal/cli/run.go", "github.com/spf13/cobra", ""},
		{"internal/cli/run.go", module + "/internal/cli/table", ""},
		{"internal/cli/run.go", module + "/cmd/lwj", "for people"},
		{"internal/proc/group.go", module + "/bus", "knows no bus"},
		{"internal/proc/group.go", "github.com/nats-io/nats.go", "knows no bus"},
		{"internal/natstest/server.go", "github.com/nats-io/nats-server/v2/server", ""},
		{"examples/submit/main.go", module + "/lwj", ""},
		{"examples/submit/main.go", module + "/internal/engine", "anybody"},
	}
	for _, tt := range tests {
		t.Run(tt.file+" imports "+tt.imports, func(t *testing.T) {
			t.Parallel()
			f := source{dir: filepath.ToSlash(filepath.Dir(tt.file)), name: filepath.Base(tt.file), imports: []string{tt.imports}}
			got := violations(f)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

func TestClientsLinkNoServer(t *testing.T) {
	t.Parallel()
	exist := packages(t)
	for _, dir := range append(layers(), "bus") {
		if exist[dir] == nil {
			continue
		}
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			for _, p := range linked(t, dir) {
				if under("github.com/nats-io/nats-server")(p) {
					t.Errorf("a program that imports only %s links %s", dir, p)
				}
			}
		})
	}
}

// linked returns the paths of all packages that a program with one import links.
func linked(t *testing.T, dir string) []string {
	t.Helper()
	out := goCommand(t, "list", "-e", "-deps", "-f", "{{.ImportPath}}", "./"+dir)
	paths := strings.Fields(out)
	if !slices.Contains(paths, module+"/"+dir) {
		t.Fatalf("want %s in what go list says, got %q", dir, out)
	}
	return paths
}

// goCommand runs the go command at the root and returns what it prints.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
