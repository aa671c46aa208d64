package lwj

import (
	"cmp"
	"io"
	"strings"

	"github.com/lwjbus/lwjbus/internal/proc"
)

// envContext is the flag --context as a variable.
const envContext = "LWJ_CONTEXT"

// withoutReach returns the environment but for the launcher's own way to the
// bus: what that of every task begins with.
func withoutReach(environ []string) []string {
	env := make([]string, 0, len(environ))
	for _, kv := range environ {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case EnvServer, EnvDir, envContext:
		default:
			env = append(env, kv)
		}
	}
	return env
}

// taskEnv is what one task has beside that.
func (j *Job) taskEnv(task int) []string {
	t := Task{Job: j.id, Task: task, Tasks: j.spec.Tasks, Attempt: j.attempt, Epoch: j.epoch,
		Namespace: j.l.conn.Names().Namespace, Server: j.l.cfg.Server, Dir: j.l.cfg.Dir}
	return append(t.Env(), j.spec.Env...)
}

// output hands on what a task printed: to who listens here, then to the store.
// It is called by the goroutine of the job's processes alone.
func (j *Job) output(ev proc.Event) {
	name := Stdout
	w := &j.opts.Stdout
	if ev.Stream == proc.Stderr {
		name, w = Stderr, &j.opts.Stderr
	}
	if j.opts.OnOutput != nil {
		j.opts.OnOutput(ev.Task, name, ev.Data)
	}
	if *w != nil {
		if _, err := (*w).Write(ev.Data); err != nil {
			*w = nil
		}
	}
	id := trackID{ev.Task, name}
	o := j.outlets[id]
	if o == nil {
		o = &outlet{job: j, task: ev.Task, stream: name}
		j.outlets[id] = o
	}
	j.l.spool.write(o, ev.Data)
}

// feed copies the standard input. It ends with its reader or, at its next
// piece of input, after the job: nobody can wait for a Read.
func feed(w io.WriteCloser, r io.Reader) {
	_, _ = io.Copy(w, r) // a task that does not read is no failure
	w.Close()
}

// tally is what became of the tasks of a job. Not safe for concurrent use.
type tally struct {
	pids    []int // by task, of those that were exec'd; 0 else
	exits   []int // by task, of those that ended
	started int
	ended   int
	execErr string // of the task that could not be executed; empty: none
	trouble string // what else went wrong
	worst   verdict
	blamed  bool // worst is what stands: tasks that end from here on were ended by us
}

// verdict is the end of the task with the highest exit code.
type verdict struct{ code, signal int }

func newTally(tasks int) *tally {
	return &tally{pids: make([]int, tasks), exits: make([]int, tasks)}
}

// note takes an event that is not output.
func (t *tally) note(ev proc.Event) {
	switch ev.Kind {
	case proc.Started:
		t.pids[ev.Task] = ev.Pid
		t.started++
	case proc.ExecFailed:
		t.execErr = cmp.Or(ev.Err, "the command could not be executed")
		t.end(ev)
	case proc.Exited:
		t.end(ev)
		t.complain(ev.Err)
	case proc.Done:
		t.complain(ev.Err)
	}
}

// refused takes note that nothing could be started at all.
func (t *tally) refused(err error) {
	for task := range t.exits {
		t.note(proc.Event{Kind: proc.ExecFailed, Task: task, Code: proc.CodeNotExec, Err: err.Error()})
	}
}

func (t *tally) end(ev proc.Event) {
	t.ended++
	t.exits[ev.Task] = ev.Code
	if !t.blamed && ev.Code > t.worst.code {
		t.worst = verdict{ev.Code, ev.Signal}
	}
}

func (t *tally) complain(err string) {
	if t.trouble == "" {
		t.trouble = err
	}
}

// running reports whether every task has been exec'd.
func (t *tally) running() bool { return t.started == len(t.pids) }

// over reports whether every task has ended.
func (t *tally) over() bool { return t.ended == len(t.exits) }

// detail is what every final state says of the tasks.
func (t *tally) detail(reason string) *Detail {
	d := &Detail{Reason: reason, Error: t.trouble}
	if t.ended == 0 {
		return d
	}
	code := t.worst.code
	d.ExitCode = &code
	if len(t.exits) > 1 {
		d.Exits = t.exits
	}
	return d
}
