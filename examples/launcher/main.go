// Command launcher runs eight jobs on the bus of this machine and prints how
// each of them ended.
//
//	go run ./examples/launcher
//
// In another terminal "go run ./examples/monitor -f" sees every state of them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const jobs = 8

func main() {
	lwj.Init() // first: the supervisor of a job is this program, too, and goes no further
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "launcher:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("launcher", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	session, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	launcher, err := lwj.NewLauncher(ctx, session.Conn(), lwj.LauncherConfig{Name: "example", Dir: *dir})
	if err != nil {
		return err
	}
	err = runJobs(ctx, launcher, stdout)
	return errors.Join(err, launcher.Close(context.WithoutCancel(ctx))) // Close cancels what still runs
}

// runJobs starts all jobs, then waits for one after the other.
func runJobs(ctx context.Context, launcher *lwj.Launcher, stdout io.Writer) error {
	var started [jobs]*lwj.Job
	var output [jobs]bytes.Buffer
	for i := range started {
		spec := lwj.NewSpec("sh", "-c", `echo "hello from $1 of $2"`, "sh", fmt.Sprint(i+1), fmt.Sprint(jobs))
		job, err := launcher.Run(ctx, spec, lwj.RunOptions{Stdout: &output[i]})
		if err != nil {
			return err
		}
		started[i] = job
	}
	for i, job := range started {
		result, err := job.Wait(ctx)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(stdout, "job %d: %s, exit code %d: %s", job.ID(), result.State, result.ExitCode, &output[i]); err != nil {
			return err
		}
	}
	return nil
}
