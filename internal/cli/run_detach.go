package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

// reportFlag is the hidden flag of a detached process.
const reportFlag = "report-fd"

// reportFD is that file descriptor: the first after the standard ones.
const reportFD = 3

// report is what a detached process tells before it is on its own.
type report struct {
	Job   uint64     `json:"job,omitempty"`
	Error *errorJSON `json:"error,omitempty"`
}

// detach runs this command line again in the background, in a session of its
// own, and prints the number of the job that it reports.
func (a *app) detach(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := a.startDetached(w); err != nil {
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { r.Close() })()
	answer, err := readReport(r)
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return a.print(newSubmitted(answer.Job, false), utoa(answer.Job)+"\n")
}

// startDetached starts the process and does not wait for it.
func (a *app) startDetached(report *os.File) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, append([]string{fmt.Sprintf("--%s=%d", reportFlag, reportFD)}, a.args...)...)
	c.Args[0] = os.Args[0]
	c.ExtraFiles = []*os.File{report}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	return c.Process.Release()
}

func readReport(r io.Reader) (*report, error) {
	var answer report
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return nil, bus.NewError(bus.CodeInternal, "the process in the background ended before it had a job: %v", err).
			WithHint("leave out --detach to see why")
	}
	if e := answer.Error; e != nil {
		return nil, errTold{e.Code, &bus.Error{Code: e.Name, Message: e.Message, Hint: e.Hint}}
	}
	return &answer, nil
}

// runDetached is run in the background: it reports the job, or why there is
// none, and then shows nothing.
func (a *app) runDetached(ctx context.Context, spec lwj.Spec, o *runOptions) error {
	syscall.CloseOnExec(o.report)
	pipe := os.NewFile(uintptr(o.report), "report")
	if pipe == nil {
		return usagef("--%s %s: no such file descriptor", reportFlag, strconv.Itoa(o.report))
	}
	told := false
	tell := func(r report) {
		if !told {
			told = true
			_ = json.NewEncoder(pipe).Encode(r) // whoever asked may be gone; the job runs on
			pipe.Close()
		}
	}
	err := a.with(ctx, func(l *link) error {
		return a.runSilently(ctx, l, spec, func(id uint64) { tell(report{Job: id}) })
	})
	if err != nil {
		code, e := explain(err)
		tell(report{Error: newErrorJSON(code, e)})
	}
	return err
}

func (a *app) runSilently(ctx context.Context, l *link, spec lwj.Spec, began func(id uint64)) error {
	launcher, err := a.launcher(ctx, l)
	if err != nil {
		return err
	}
	job, err := launcher.Run(ctx, spec, lwj.RunOptions{})
	if err == nil {
		began(job.ID())
		err = a.follow(ctx, job, newShow(io.Discard, io.Discard, false))
	}
	return errors.Join(err, launcher.Close(context.WithoutCancel(ctx)))
}
