package house

import (
	"fmt"
	"slices"
	"strings"
)

// step is one step of the house. Its packages import only from lower steps,
// never from above, and not each other.
type step struct {
	packages []string // "internal/cli/..." covers the folders below it, too
	why      string   // they know nothing of what is above or beside them
}

// order returns the steps, the lowest first.
func order() []step {
	return []step{
		{[]string{"internal/pack"}, "how bytes are read does not depend on what they say"},
		{[]string{"bus"}, "the wire serves programs that know neither keys nor jobs"},
		{[]string{"internal/engine"}, "the engine keeps keys and knows no job, so that old logs outlive new layers"},
		{[]string{"kvbucket"}, "keys are what every other layer is made of"},
		{[]string{"atomic", "fifo"}, "words and pipes are layers over keys, neither needs the other, and both serve programs without jobs"},
		{[]string{"lwj", "lwj/code"}, "jobs are kept without stored code, stored code is kept without jobs; what runs one for the other is above them or handed in"},
		{[]string{"lwj/queue", "lwj/runner"}, "workers and runners are two users of jobs and code; a program takes the one it wants"},
		{[]string{"lwj/host"}, "a host puts the layers together; a layer that knew its host could not be served by another"},
		{[]string{"internal/cli/..."}, "commands are for people; a library that needed them would drag in flags and terminals"},
		{[]string{"cmd/...", "examples/..."}, "programs are not imported"},
	}
}

// beside are packages outside the steps. Their own rules stand in bans.
func beside() []string { return []string{"bus/embedded", "internal/proc", "docs/schemas"} }

// testOnly are packages that only tests import; they import what they like.
func testOnly() []string {
	return []string{
		"internal/natstest/...", "internal/engine/enginetest", "internal/natsfacts", "internal/faults/...", "internal/house",
	}
}

// layers are the packages with two faces: the client's, and layer.go.
func layers() []string {
	return []string{"kvbucket", "atomic", "fifo", "lwj", "lwj/code", "lwj/queue", "lwj/runner"}
}

// ban forbids imports that the steps would allow.
type ban struct {
	what    string                 // the imports, for people
	imports func(path string) bool // which they are
	bound   func(file source) bool // the files that may not
	why     string
}

// bans returns what is forbidden beside the order.
func bans() []ban {
	const nats = "github.com/nats-io/"
	return []ban{
		{"the NATS server", under(nats + "nats-server"), outside("bus/embedded"),
			"one package starts servers, so that clients link none and an upgrade touches one place"},
		{"bus/embedded", ours("bus/embedded"), outside("lwj/host", "internal/cli/..."),
			"who imports it links a server, and a program that only talks to a host must not"},
		{"packages for tests", ours(testOnly()...), outside(),
			"what helps tests stays out of what ships"},
		{"modules for tests", under("testing", "github.com/anishathalye/porcupine", "github.com/google/go-cmp",
			"github.com/rogpeppe/go-internal", "go.uber.org/goleak", "pgregory.net/rapid"), outside(),
			"what helps tests stays out of what ships"},
		{"the engine", ours("internal/engine"), clientFace,
			"the client's face of a layer has the API and nothing else, so that it does the same at any distance"},
		{"JetStream", under(nats+"nats.go/jetstream", "github.com/synadia-io/orbit.go/jetstreamext"), clientFace,
			"clients never touch JetStream: permissions inside one account are no boundary"},
		{"internal packages", under(module + "/internal"), in("examples/..."),
			"an example is a program that anybody could have written"},
		{"cobra", under("github.com/spf13/cobra", "github.com/spf13/pflag"), outside("internal/cli/..."),
			"flags are the command line's business"},
		{"this project and NATS", under(module, nats), in("internal/proc"),
			"a supervisor process knows no bus: it starts in milliseconds and stands through every fault of the bus"},
		{"this project but bus", func(path string) bool { return under(module)(path) && !ours("bus")(path) }, in("bus/embedded"),
			"the embedded server knows accounts and files, neither keys nor jobs"},
	}
}

// clientFace tells whether a file is what clients of a layer use; the other
// face is layer.go or layer_*.go.
func clientFace(f source) bool {
	return matches(layers(), f.dir) && f.name != "layer.go" && !strings.HasPrefix(f.name, "layer_")
}

// under matches import paths by their beginning.
func under(prefixes ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool {
			return strings.HasPrefix(path+"/", strings.TrimSuffix(p, "/")+"/")
		})
	}
}

// ours matches imports of packages of this project.
func ours(patterns ...string) func(string) bool {
	return func(path string) bool {
		dir, ok := project(path)
		return ok && matches(patterns, dir)
	}
}

// in matches files by their package.
func in(patterns ...string) func(source) bool {
	return func(f source) bool { return matches(patterns, f.dir) }
}

// outside matches files by their package, the other way round.
func outside(patterns ...string) func(source) bool {
	return func(f source) bool { return !matches(patterns, f.dir) }
}

// matches tells whether one of the patterns covers dir.
func matches(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, deep := strings.CutSuffix(p, "/...")
		return dir == base || deep && strings.HasPrefix(dir, base+"/")
	})
}

// stepOf returns the index of the step of a package, -1 for none.
func stepOf(dir string) int {
	return slices.IndexFunc(order(), func(s step) bool { return matches(s.packages, dir) })
}

// violations returns one line for each import of the file that is forbidden.
// Tests, and what only tests import, are free.
func violations(f source) []string {
	if f.test() || matches(testOnly(), f.dir) {
		return nil
	}
	var found []string
	for _, i := range f.imports {
		if why := againstOrder(f.dir, i); why != "" {
			found = append(found, fmt.Sprintf("%s imports %s: %s", f.path(), i, why))
		}
		for _, b := range bans() {
			if b.imports(i) && b.bound(f) {
				found = append(found, fmt.Sprintf("%s imports %s (%s): %s", f.path(), i, b.what, b.why))
			}
		}
	}
	return found
}

// againstOrder says why the package dir may not import path; empty: it may.
func againstOrder(dir, path string) string {
	target, ok := project(path)
	from, to := stepOf(dir), stepOf(target)
	if !ok || from < 0 || to < 0 || to < from || inside(dir, target, order()[from]) {
		return ""
	}
	return order()[from].why
}

// inside tells whether both packages belong to one "/..." of the step.
func inside(a, b string, s step) bool {
	return slices.ContainsFunc(s.packages, func(p string) bool {
		one := []string{p}
		return strings.HasSuffix(p, "/...") && matches(one, a) && matches(one, b)
	})
}
