package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

// maxLine is how many bytes a line of submit --jsonl has at most: JSON of a
// spec of the greatest size.
const maxLine = 8 * lwj.MaxSpec

// specJSON is schema job.spec.v1. A field that is absent is what the flags say.
type specJSON struct {
	Name        *string           `json:"name"`
	Command     []string          `json:"command"`
	Tasks       *int              `json:"tasks"`
	Env         []string          `json:"env"`
	Cwd         *string           `json:"cwd"`
	Labels      map[string]string `json:"labels"`
	TimeLimit   *jsonDuration     `json:"time_limit"`
	FailFast    *bool             `json:"fail_fast"`
	OutputLimit *int64            `json:"output_limit"`
	Priority    *int              `json:"priority"`
	Dataset     *string           `json:"dataset"`
	Group       *string           `json:"group"`
	Dedup       *string           `json:"dedup"`
	Retries     *int              `json:"retries"`
	Delay       *jsonDuration     `json:"delay"`
}

// jsonDuration is a duration as a Go string.
type jsonDuration time.Duration

// UnmarshalText reads "1m30s".
func (d *jsonDuration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = jsonDuration(v)
	return err
}

// over returns base with the fields that the line has.
func (s *specJSON) over(base lwj.Spec) lwj.Spec {
	replace(&base.Name, s.Name)
	replace(&base.Tasks, s.Tasks)
	replace(&base.Dir, s.Cwd)
	replace(&base.TimeLimit, (*time.Duration)(s.TimeLimit))
	replace(&base.FailFast, s.FailFast)
	replace(&base.OutputLimit, s.OutputLimit)
	replace(&base.Priority, s.Priority)
	replace(&base.Dataset, s.Dataset)
	replace(&base.Group, s.Group)
	replace(&base.Dedup, s.Dedup)
	replace(&base.Retries, s.Retries)
	replace(&base.Delay, (*time.Duration)(s.Delay))
	base.Command = s.Command
	if s.Env != nil {
		base.Env = s.Env
	}
	if s.Labels != nil {
		base.Labels = s.Labels
	}
	return base
}

func replace[T any](to *T, with *T) {
	if with != nil {
		*to = *with
	}
}

// submitLines submits the jobs of a file, lwj.MaxSubmit lines at a time.
func (a *app) submitLines(ctx context.Context, base lwj.Spec, name string) error {
	in, err := a.open(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	return a.with(ctx, func(l *link) error {
		return a.printSubmitted(func(add func([]lwj.Spec) error) error { return readSpecs(lines, base, add) }, ctx, lwj.NewClient(l.Conn))
	})
}

// open opens a file, or stdin for "-".
func (a *app) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.input(ctx)), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, bus.NewError(bus.CodeUsage, "%v", err).WithHint("check the path")
	}
	return f, nil
}

func readSpecs(lines *bufio.Scanner, base lwj.Spec, add func([]lwj.Spec) error) error {
	var part []lwj.Spec
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		spec, err := readSpec(lines.Bytes(), base)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if part = append(part, spec); len(part) < lwj.MaxSubmit {
			continue
		}
		if err := add(part); err != nil {
			return err
		}
		part = part[:0]
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return usagef("line %d: it has more than %d bytes", n+1, maxLine)
	case err != nil:
		return err
	case len(part) == 0:
		return nil
	}
	return add(part)
}

func readSpec(line []byte, base lwj.Spec) (lwj.Spec, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var s specJSON
	if err := d.Decode(&s); err != nil {
		return base, usageError{err, "lwj schema job.spec.v1"}
	}
	if d.More() {
		return base, usageError{errors.New("there is more than one job"), "lwj schema job.spec.v1"}
	}
	spec := s.over(base)
	return spec, spec.Validate()
}
