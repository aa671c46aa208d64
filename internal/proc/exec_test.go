package proc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script       string
		code, signal int
	}{
		"zero":    {"exit 0", 0, 0},
		"seven":   {"exit 7", 7, 0},
		"highest": {"exit 255", 255, 0},
		"killed":  {"kill -9 $$", 137, 9},
		"term":    {"kill -15 $$", 143, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, Spec{Command: sh(tc.script), Tasks: 2})
			exits := r.of(Exited)
			if len(exits) != 2 {
				t.Fatalf("want 2 exits, got %+v", r.events)
			}
			for _, ev := range exits {
				if ev.Code != tc.code || ev.Signal != tc.signal || ev.Pid == 0 || ev.Err != "" {
					t.Errorf("want code %d signal %d, got %+v", tc.code, tc.signal, ev)
				}
			}
			last := r.events[len(r.events)-1]
			if last.Kind != Done || last.Err != "" || len(r.of(Started)) != 2 {
				t.Errorf("want 2 started and done last, got %+v", r.events)
			}
		})
	}
}

func TestExecFailed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "#!/bin/sh\n", 0o644)
	garbage := write("garbage", "\x01\x02\x03", 0o755)
	orphan := write("orphan", "#!/no/such/shell\n", 0o755)
	for name, tc := range map[string]struct {
		spec Spec
		code int
		err  string
	}{
		"no such file":     {Spec{Command: []string{"/no/such/command"}}, 127, "no such file or directory: /no/such/command"},
		"not in PATH":      {Spec{Command: []string{"no-such-command"}}, 127, "command not found in PATH: no-such-command"},
		"denied in PATH":   {Spec{Command: []string{"plain"}, Env: []string{"PATH=" + dir}}, 126, "permission denied"},
		"not executable":   {Spec{Command: []string{plain}}, 126, "permission denied"},
		"directory":        {Spec{Command: []string{dir}}, 126, "is a directory"},
		"no binary":        {Spec{Command: []string{garbage}}, 126, "exec format error"},
		"no interpreter":   {Spec{Command: []string{orphan}}, 126, "the interpreter or loader it names"},
		"dir missing":      {Spec{Command: []string{"true"}, Dir: "/no/such/dir"}, 126, "working directory: no such file or directory: /no/such/dir"},
		"dir is a file":    {Spec{Command: []string{"true"}, Dir: plain}, 126, "working directory: not a directory"},
		"huge environment": {Spec{Command: []string{"true"}, Env: []string{"PATH=" + defaultPath, "X=" + strings.Repeat("x", 3<<20)}}, 126, "argument list too long"},
		"many arguments":   {Spec{Command: append([]string{"true"}, strings.Fields(strings.Repeat("argument ", 1_000_000))...)}, 126, "argument list too long"},
	} {
		for _, held := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "/held"}[held], func(t *testing.T) {
				t.Parallel()
				spec := tc.spec
				spec.Tasks, spec.Held = 2, held
				g, r := start(t, spec)
				if err := g.Release(); err != nil && !errors.Is(err, ErrEnded) {
					t.Errorf("Release: %v", err)
				}
				awaitDone(t, g)
				failed := r.of(ExecFailed)
				if len(failed) != 2 || len(r.of(Exited)) != 0 || len(r.of(Started)) != 0 {
					t.Fatalf("want 2 failures and nothing else, got %+v", r.events)
				}
				for _, ev := range failed {
					if ev.Code != tc.code || !strings.Contains(ev.Err, tc.err) {
						t.Errorf("want code %d and %q, got %d and %q", tc.code, tc.err, ev.Code, ev.Err)
					}
				}
			})
		}
	}
}

// One task's failed exec does not touch the others.
func TestExecFailedOfOne(t *testing.T) {
	t.Parallel()
	r := run(t, Spec{
		Command: []string{"true"}, Tasks: 3, Env: []string{"PATH=" + defaultPath},
		TaskEnv: func(task int) []string {
			if task == 1 {
				return []string{"PATH=/nowhere"}
			}
			return nil
		},
	})
	if failed, exits := r.of(ExecFailed), r.of(Exited); len(failed) != 1 || failed[0].Task != 1 || len(exits) != 2 {
		t.Errorf("want task 1 alone to fail, got %+v", r.events)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		Command: []string{"/bin/sh", "-c", `echo "$A $B $C $LWJ_PROC"; pwd -P; cat`}, Tasks: 2, Dir: dir,
		Env:     []string{"A=1", "B=2", "A=3", "PATH=" + defaultPath},
		TaskEnv: func(task int) []string { return []string{"B=task", "C=" + string(rune('0'+task))} },
	}
	for _, held := range []bool{false, true} {
		spec.Held = held
		g, r := start(t, spec)
		if err := g.Release(); err != nil {
			t.Fatal(err)
		}
		awaitDone(t, g)
		for task, want := range []string{"3 task 0 \n" + dir + "\n", "3 task 1 \n" + dir + "\n"} {
			if got := r.output(task, Stdout); got != want {
				t.Errorf("held %v: want %q, got %q (%q)", held, want, got, r.output(task, Stderr))
			}
		}
	}
}

// A command with a slash, and an empty element of PATH, start at Dir.
func TestRelativeCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\necho here\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []Spec{
		{Command: []string{"./tool"}},
		{Command: []string{"tool"}, Env: []string{"PATH=:/bin"}},
		{Command: []string{"tool"}, Env: []string{"PATH=/no/dir:."}},
	} {
		spec.Dir = dir
		if r := run(t, spec); r.output(0, Stdout) != "here\n" {
			t.Errorf("%v: want \"here\", got %q, %+v", spec.Command, r.output(0, Stdout), r.events)
		}
	}
}
