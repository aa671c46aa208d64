package cli

import (
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/lwjbus/lwjbus/lwj"
)

// specFlags are the flags that say what a job is.
type specFlags struct {
	tasks       int
	name        string
	labels      []string
	env         []string
	cwd         string
	timeLimit   time.Duration
	failFast    bool
	outputLimit int64

	// of queued jobs alone
	priority int
	dataset  string
	group    string
	dedup    string
	retries  int
	delay    time.Duration
}

// register adds the flags that run and submit share.
func (s *specFlags) register(f *pflag.FlagSet) {
	f.SetInterspersed(false) // what follows the command is the command's
	f.IntVarP(&s.tasks, "tasks", "n", 1, "number of `TASKS`, processes of the job")
	f.StringVar(&s.name, "name", "", "the job's name, for people")
	f.StringArrayVar(&s.labels, "label", nil, "`K=V` to find the job by; may be repeated")
	f.StringArrayVar(&s.env, "env", nil, "`K=V` added to the tasks' environment; may be repeated")
	f.StringVar(&s.cwd, "cwd", "", "working `DIR` of the tasks")
	f.DurationVar(&s.timeLimit, "time-limit", 0, "the job fails when it has run for `D` (exit code 124)")
	f.BoolVar(&s.failFast, "fail-fast", false, "a task that fails ends the others")
	f.Int64Var(&s.outputLimit, "output-limit", lwj.DefaultOutputLimit, "`BYTES` of output that are kept")
	s.priority = lwj.DefaultPriority
}

// registerQueued adds the flags that only queued jobs have.
func (s *specFlags) registerQueued(f *pflag.FlagSet) {
	f.IntVar(&s.priority, "priority", lwj.DefaultPriority, "0 to 999, higher first")
	f.StringVar(&s.dataset, "dataset", "", "workers that have it are preferred")
	f.StringVar(&s.group, "group", "", "jobs that are listed, waited for and cancelled together")
	f.StringVar(&s.dedup, "dedup", "", "`KEY`: a job that was submitted with it before is not submitted again")
	f.IntVar(&s.retries, "retries", 0, "attempts after the first")
	f.DurationVar(&s.delay, "delay", 0, "no worker takes the job before `D` has passed")
}

// spec is the job that the flags and the command say.
func (s *specFlags) spec(command []string) (lwj.Spec, error) {
	spec := lwj.Spec{
		Name: s.name, Command: command, Tasks: s.tasks, Env: s.env, Dataset: s.dataset, Group: s.group, Dedup: s.dedup,
		Priority: s.priority, Retries: s.retries, Delay: s.delay, TimeLimit: s.timeLimit, FailFast: s.failFast, OutputLimit: s.outputLimit,
	}
	switch {
	case s.tasks < 1 || s.tasks > lwj.MaxTasks:
		return spec, usagef("-n %d: a job has 1 to %d tasks", s.tasks, lwj.MaxTasks)
	case s.outputLimit < 1:
		return spec, usagef("--output-limit %d: it is 1 byte or more", s.outputLimit)
	}
	var err error
	if spec.Labels, err = pairs("label", s.labels); err != nil {
		return spec, err
	}
	if s.cwd != "" {
		spec.Dir, err = filepath.Abs(s.cwd)
	}
	return spec, err
}
