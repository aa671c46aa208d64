package lwj

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of a spec. What is over one is refused and nothing is stored.
const (
	MaxSpec     = 1 << 20 // bytes, encoded
	MaxArgs     = 65_536  // arguments of the command, itself included
	MaxTasks    = 4096
	MaxEnv      = 4096 // entries
	MaxLabels   = 64
	MaxName     = 256 // bytes of the name, a label's key or value, dataset, group, dedup
	MaxPriority = 999
	MaxRetries  = 1000
	MaxDelay    = 365 * 24 * time.Hour // of Delay and TimeLimit
	MaxOutput   = 1 << 40              // bytes, of OutputLimit

	DefaultPriority    = 100
	DefaultOutputLimit = 64 << 20 // bytes a job
)

// Spec is a job as it was submitted; it never changes. Its fields are stored
// as a msgpack map under the short names.
type Spec struct {
	Name    string            `msgpack:"n,omitempty"`  // for people
	Command []string          `msgpack:"c,omitempty"`  // program and arguments. Required, but for an external job.
	Tasks   int               `msgpack:"t,omitempty"`  // processes, 1 to MaxTasks. Default: 1.
	Env     []string          `msgpack:"e,omitempty"`  // "K=V", added to the launcher's environment
	Dir     string            `msgpack:"d,omitempty"`  // working directory, absolute. Default: the launcher's.
	Labels  map[string]string `msgpack:"l,omitempty"`  // to find jobs by
	Machine *Machine          `msgpack:"m,omitempty"`  // Default: DefaultMachine.
	Dataset string            `msgpack:"ds,omitempty"` // workers that have it are preferred
	Group   string            `msgpack:"g,omitempty"`  // jobs that are listed, waited for and cancelled together
	Dedup   string            `msgpack:"dd,omitempty"` // a submit with the key of a known job gives that job's id

	Priority    int           `msgpack:"p,omitempty"`  // 0 to MaxPriority, higher first. NewSpec sets DefaultPriority.
	Retries     int           `msgpack:"r,omitempty"`  // attempts after the first, 0 to MaxRetries
	Delay       time.Duration `msgpack:"dl,omitempty"` // not claimed before it has passed
	TimeLimit   time.Duration `msgpack:"tl,omitempty"` // of running. Default: none.
	FailFast    bool          `msgpack:"ff,omitempty"` // a failing task stops the others
	OutputLimit int64         `msgpack:"ol,omitempty"` // bytes of output kept. Default: DefaultOutputLimit.
}

// NewSpec returns the spec of a job with one task and the default priority.
func NewSpec(command ...string) Spec {
	return Spec{Command: command, Tasks: 1, Priority: DefaultPriority}
}

// machine is the job's machine.
func (s *Spec) machine() *Machine {
	if s.Machine != nil {
		return s.Machine
	}
	return DefaultMachine()
}

// outputLimit is how many bytes of output are kept.
func (s *Spec) outputLimit() int64 {
	if s.OutputLimit > 0 {
		return s.OutputLimit
	}
	return DefaultOutputLimit
}

// withDefaults returns the spec with every default that is stored.
func (s Spec) withDefaults() Spec {
	if s.Tasks == 0 {
		s.Tasks = 1
	}
	return s
}

// Validate checks a spec that is to be run.
//
// Errors: CodeUsage; CodeTooLarge for an encoded spec over MaxSpec.
func (s *Spec) Validate() error {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return usage("the command is empty").WithHint("name a program to run")
	}
	return s.validate()
}

// validate checks everything but that there is a command.
func (s *Spec) validate() error {
	for _, check := range [...]func() error{s.checkCommand, s.checkEnv, s.checkNames, s.checkLabels, s.checkNumbers, s.checkMachine} {
		if err := check(); err != nil {
			return err
		}
	}
	_, err := s.encode()
	return err
}

func (s *Spec) encode() ([]byte, error) {
	b, err := bus.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSpec {
		return nil, refuse(ErrTooLarge, "the spec has %d bytes; at most %d are stored", len(b), MaxSpec).
			WithHint("hand large arguments over in a file or on standard input")
	}
	return b, nil
}

func (s *Spec) checkCommand() error {
	if n := len(s.Command); n > MaxArgs {
		return usage("the command has %d arguments; at most %d can be given", n, MaxArgs).WithHint("hand them over in a file or on standard input")
	}
	for i, a := range s.Command {
		if err := noNUL("argument", i, a); err != nil {
			return err
		}
	}
	switch {
	case strings.ContainsRune(s.Dir, 0):
		return usage("the working directory has a NUL byte, which no path can have")
	case s.Dir != "" && s.Dir[0] != '/':
		return usage("the working directory %q is relative", s.Dir).WithHint("give an absolute path")
	}
	return nil
}

func (s *Spec) checkEnv() error {
	if n := len(s.Env); n > MaxEnv {
		return usage("the environment has %d entries; at most %d can be given", n, MaxEnv)
	}
	for i, e := range s.Env {
		if strings.IndexByte(e, '=') < 1 {
			return usage("the environment entry %q is not of the form K=V", clip(e)).WithHint("write NAME=value")
		}
		if err := noNUL("environment entry", i, e); err != nil {
			return err
		}
	}
	return nil
}

func noNUL(what string, i int, s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return usage("%s %d has a NUL byte, which no process can be given", what, i)
	}
	return nil
}

func (s *Spec) checkNames() error {
	for _, f := range [...]struct{ what, value string }{
		{"name", s.Name}, {"dataset", s.Dataset}, {"group", s.Group}, {"dedup key", s.Dedup},
	} {
		if err := checkText(f.what, f.value); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses what cannot stand in a table or a log line.
func checkText(what, s string) error {
	if len(s) > MaxName || !utf8.ValidString(s) || strings.IndexFunc(s, isControl) >= 0 {
		return usage("the %s %q has over %d bytes, or a control character, or is not UTF-8", what, clip(s), MaxName)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (s *Spec) checkLabels() error {
	if n := len(s.Labels); n > MaxLabels {
		return usage("the job has %d labels; at most %d can be given", n, MaxLabels)
	}
	for k, v := range s.Labels {
		if k == "" || strings.ContainsAny(k, "= \t") {
			return usage("the label %q has an empty key, or one with a blank or '='", clip(k+"="+v)).WithHint("write KEY=value")
		}
		if err := checkText("label", k+"="+v); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkNumbers() error {
	switch {
	case s.Tasks < 0 || s.Tasks > MaxTasks:
		return usage("a job cannot have %d tasks: 1 to %d", s.Tasks, MaxTasks)
	case s.Priority < 0 || s.Priority > MaxPriority:
		return usage("the priority %d is outside 0 to %d", s.Priority, MaxPriority)
	case s.Retries < 0 || s.Retries > MaxRetries:
		return usage("%d retries are outside 0 to %d", s.Retries, MaxRetries)
	case s.Delay < 0 || s.Delay > MaxDelay:
		return usage("the delay %v is outside 0 to %v", s.Delay, MaxDelay)
	case s.TimeLimit < 0 || s.TimeLimit > MaxDelay:
		return usage("the time limit %v is outside 0 to %v", s.TimeLimit, MaxDelay)
	case s.OutputLimit < 0 || s.OutputLimit > MaxOutput:
		return usage("the output limit %d is outside 0 to %d bytes", s.OutputLimit, int64(MaxOutput))
	}
	return nil
}

func (s *Spec) checkMachine() error {
	if s.Machine == nil {
		return nil
	}
	return s.Machine.Validate()
}

// clip shortens what stands in a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
