// Command wordcount counts the words of a source tree with one job of several
// tasks: of n tasks each counts those of every n-th file.
//
//	go run ./examples/wordcount
//	go run ./examples/wordcount -root . -tasks 4
//
// The default tree is the Go toolchain's own. The same on the command line is
//
//	lwj run -q --no-label -n 8 --cwd "$(go env GOROOT)/src" -- sh -c '
//	  find . -type f -name "*.go" | sort | awk "NR % $LWJ_NTASKS == $LWJ_TASK" | xargs awk 1 | wc -w' |
//	  awk '{ n += $1 } END { print n }'
//
// and what it prints is the sum that one process finds alone:
//
//	cd "$(go env GOROOT)/src" && find . -type f -name "*.go" | xargs awk 1 | wc -w
//
// (awk 1 is a cat that ends the last line of each file: without that, the last
// word of one file and the first of the next would be one. And there is a
// folder whose name ends in .go.)
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// script is what each task runs: it knows which task it is.
const script = `find . -type f -name "*.go" | sort | awk "NR % $LWJ_NTASKS == $LWJ_TASK" | xargs awk 1 | wc -w`

const defaultTasks = 8

func main() {
	lwj.Init() // first: the supervisor of a job is this program, too, and goes no further
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	root := flags.String("root", "", "`directory` of the tree (default: the Go toolchain's source)")
	tasks := flags.Int("tasks", defaultTasks, "processes to share the work")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *tasks < 1 || *tasks > lwj.MaxTasks {
		return fmt.Errorf("-tasks %d: a job has 1 to %d", *tasks, lwj.MaxTasks)
	}
	tree, err := sourceTree(ctx, *root)
	if err != nil {
		return err
	}
	session, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	launcher, err := lwj.NewLauncher(ctx, session.Conn(), lwj.LauncherConfig{Name: "wordcount", Dir: *dir})
	if err != nil {
		return err
	}
	spec := lwj.NewSpec("sh", "-c", script)
	spec.Name, spec.Tasks, spec.Dir = "wordcount", *tasks, tree
	err = count(ctx, launcher, spec, stdout, stderr)
	return errors.Join(err, launcher.Close(context.WithoutCancel(ctx)))
}

// sourceTree is the absolute path of root, or where the Go toolchain has its source.
func sourceTree(ctx context.Context, root string) (string, error) {
	if root != "" {
		return filepath.Abs(root)
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the source of Go: %w; name another tree with -root", err)
	}
	return filepath.Join(strings.TrimSpace(string(goroot)), "src"), nil
}

// count runs the job and prints what each task found and the sum.
func count(ctx context.Context, launcher *lwj.Launcher, spec lwj.Spec, stdout, stderr io.Writer) error {
	found := make([]bytes.Buffer, spec.Tasks)
	job, err := launcher.Run(ctx, spec, lwj.RunOptions{Stderr: stderr, OnOutput: func(task int, stream string, data []byte) {
		if stream == lwj.Stdout {
			found[task].Write(data)
		}
	}})
	if err != nil {
		return err
	}
	result, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	if result.State != lwj.Complete {
		return fmt.Errorf("job %d is %s, exit code %d: %s", job.ID(), result.State, result.ExitCode, result.Detail.Error)
	}
	sum := 0
	for task := range found {
		words, err := strconv.Atoi(strings.TrimSpace(found[task].String()))
		if err != nil {
			return fmt.Errorf("task %d: %w", task, err)
		}
		sum += words
		fmt.Fprintf(stdout, "task %d: %d words\n", task, words)
	}
	_, err = fmt.Fprintf(stdout, "all: %d words\n", sum)
	return err
}
