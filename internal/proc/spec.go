package proc

import (
	"fmt"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Spec says what a group runs.
type Spec struct {
	// Command is the command and its arguments. A name without a slash is
	// looked up in PATH of the task's environment, a relative one starts at
	// Dir. Required.
	Command []string
	// Env is the whole environment of every task, as KEY=value. Of two
	// entries with one key the later wins.
	Env []string
	// TaskEnv returns what is added to Env for one task. It is called in
	// Start, once per task. Default: nothing.
	TaskEnv func(task int) []string
	// Dir is the working directory. Default: the launcher's.
	Dir string
	// Tasks is the number of processes, 1 to MaxTasks. Required.
	Tasks int
	// Held makes every task wait before it executes the command, until Release.
	Held bool
	// Stdin gives task 0 a pipe, written by Group.Stdin, as its standard
	// input. Default: /dev/null, as for every other task.
	Stdin bool
}

// wireSpec is a Spec as it travels to the supervisor.
type wireSpec struct {
	Command []string
	Env     []string
	TaskEnv [][]string // by task; empty when no task has one
	Dir     string
	Tasks   int
	Held    bool
	Stdin   bool
}

func (s *Spec) encode() ([]byte, error) {
	w := wireSpec{Command: s.Command, Env: s.Env, Dir: s.Dir, Tasks: s.Tasks, Held: s.Held, Stdin: s.Stdin}
	if err := s.validate(); err != nil {
		return nil, err
	}
	for i := 0; s.TaskEnv != nil && i < s.Tasks; i++ {
		w.TaskEnv = append(w.TaskEnv, s.TaskEnv(i))
	}
	if err := w.validate(); err != nil {
		return nil, err
	}
	b, err := msgpack.Marshal(&w)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if len(b) > MaxSpec {
		return nil, fmt.Errorf("%w: %d bytes of command and environment, at most %d", ErrSpec, len(b), MaxSpec)
	}
	return b, nil
}

func (s *Spec) validate() error {
	switch {
	case len(s.Command) == 0 || s.Command[0] == "":
		return fmt.Errorf("%w: no command", ErrSpec)
	case s.Tasks < 1 || s.Tasks > MaxTasks:
		return fmt.Errorf("%w: %d tasks, want 1 to %d", ErrSpec, s.Tasks, MaxTasks)
	}
	return nil
}

// validate refuses what no C string can carry.
func (w *wireSpec) validate() error {
	lists := append([][]string{w.Command, w.Env, {w.Dir}}, w.TaskEnv...)
	for _, list := range lists {
		for _, v := range list {
			if strings.IndexByte(v, 0) >= 0 {
				return fmt.Errorf("%w: NUL byte in %q", ErrSpec, v[:min(len(v), 80)])
			}
		}
	}
	return nil
}

func decodeSpec(b []byte) (*wireSpec, error) {
	w := &wireSpec{}
	if err := msgpack.Unmarshal(b, w); err != nil {
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return w, nil
}

// environ returns the environment of one task.
func (w *wireSpec) environ(task int) []string {
	if task < len(w.TaskEnv) {
		return mergeEnv(w.Env, w.TaskEnv[task])
	}
	return mergeEnv(w.Env)
}

// mergeEnv joins lists of KEY=value; the last value of a key wins and takes
// the place of the first.
func mergeEnv(lists ...[]string) []string {
	var out []string
	at := make(map[string]int)
	for _, list := range lists {
		for _, kv := range list {
			key, _, _ := strings.Cut(kv, "=")
			if i, ok := at[key]; ok {
				out[i] = kv
				continue
			}
			at[key] = len(out)
			out = append(out, kv)
		}
	}
	return out
}

// lookupEnv returns the value of key in env.
func lookupEnv(env []string, key string) (string, bool) {
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}
