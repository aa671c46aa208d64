package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

// attachOptions are the flags of attach.
type attachOptions struct {
	task   int
	stream string
	offset uint64
}

func (a *app) attachCommand() *cobra.Command {
	o := &attachOptions{}
	c := &cobra.Command{
		Use:   "attach N",
		Short: "Show the output of a job, from its beginning to its end",
		Long: "Show the output of a job, from its beginning, and follow it until the job has ended; then end with the\n" +
			"job's exit code, as wait does. With --task and --stream it is byte for byte what that task wrote there.",
		Example:           "  lwj run -n 2 -- sh -c 'echo I am $LWJ_TASK'\n  lwj attach 1\n  lwj attach 1 --task 1 --stream stdout --offset 5",
		Args:              exactly(1, "a job's number"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := jobID(args[0])
			if err != nil {
				return err
			}
			if err := o.check(); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error { return a.attach(cmd.Context(), lwj.NewClient(l.Conn), id, o) })
		},
	}
	f := c.Flags()
	f.IntVar(&o.task, "task", lwj.AllTasks, "only the output of task `T`")
	f.StringVar(&o.stream, "stream", "", "only `stdout|stderr`")
	f.Uint64Var(&o.offset, "offset", 0, "begin at `BYTES` of that task and stream")
	return c
}

func (o *attachOptions) check() error {
	switch {
	case o.task < lwj.AllTasks || o.task >= lwj.MaxTasks:
		return usagef("--task %d: tasks are numbered 0 to %d", o.task, lwj.MaxTasks-1)
	case o.stream != "" && o.stream != lwj.Stdout && o.stream != lwj.Stderr:
		return usagef("--stream %s: it is stdout or stderr", o.stream)
	case o.offset != 0 && (o.task == lwj.AllTasks || o.stream == ""):
		return usagef("--offset needs --task and --stream: it counts the bytes of one of them")
	}
	return nil
}

func (a *app) attach(ctx context.Context, c *lwj.Client, id uint64, o *attachOptions) error {
	info, err := c.Show(ctx, id)
	if err != nil {
		return err
	}
	if o.task >= info.Spec.Tasks {
		return usagef("--task %d: job %d has tasks 0 to %d", o.task, id, info.Spec.Tasks-1)
	}
	r := c.Output(id, lwj.OutputOptions{Task: o.task, Stream: o.stream, Offset: o.offset, Follow: true})
	if a.output == outputTable {
		err = a.attachText(ctx, r, info.Spec.Tasks > 1 && o.task == lwj.AllTasks)
	} else {
		err = a.attachRows(ctx, id, r)
	}
	if err != nil {
		return err
	}
	waited, err := c.Wait(ctx, lwj.AnyFinal, id)
	if err != nil {
		return err
	}
	return jobsCode(waited, false)
}

func (a *app) attachText(ctx context.Context, r *lwj.OutputReader, label bool) error {
	show := newShow(a.Out, a.Err, label)
	err := eachChunk(ctx, r, func(c *lwj.Chunk) error {
		show.output(c.Task, c.Stream, c.Data)
		return show.failed
	})
	return errors.Join(err, show.close())
}

func (a *app) attachRows(ctx context.Context, id uint64, r *lwj.OutputReader) error {
	rows := a.stream()
	return endRows(rows, eachChunk(ctx, r, func(c *lwj.Chunk) error { return rows.add(newOutputJSON(id, c)) }))
}

func eachChunk(ctx context.Context, r *lwj.OutputReader, do func(*lwj.Chunk) error) error {
	for {
		chunk, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(chunk); err != nil {
			return err
		}
	}
}

// outputChunk is schema job.output.v1.
type outputChunk struct {
	Schema   string `json:"schema"`
	Job      uint64 `json:"job"`
	Task     int    `json:"task"`
	Stream   string `json:"stream"`
	Offset   uint64 `json:"offset"`
	Data     string `json:"data"`
	Encoding string `json:"encoding,omitempty"` // base64, where the data is no UTF-8
}

func newOutputJSON(id uint64, c *lwj.Chunk) outputChunk {
	text, encoding := jsonText(c.Data)
	return outputChunk{"job.output.v1", id, c.Task, c.Stream, c.Offset, text, encoding}
}

// jsonText is bytes as JSON has them: as they are, or base64.
func jsonText(b []byte) (text, encoding string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}
