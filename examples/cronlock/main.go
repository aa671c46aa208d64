// Command cronlock runs a command once in a period, however many machines'
// cron start it, and never twice at the same time.
//
//	go run ./examples/cronlock -every 1h -- sh -c 'echo backup under $FENCE'
//
// A lock keeps two of them apart. The period that was done stands in a key,
// written on condition that the lock is still held: one that was paused until
// its lock had gone to another cannot say that it did the work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// killAfter is how long a command may take to end after SIGTERM.
const killAfter = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], time.Now(), os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cronlock:", err)
		os.Exit(1)
	}
}

// job is what cron starts.
type job struct {
	name    string
	period  string
	command []string
	out     io.Writer
	err     io.Writer
}

func run(ctx context.Context, args []string, now time.Time, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("cronlock", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	name := flags.String("name", "cronlock", "`name` of the job")
	every := flags.Duration("every", time.Hour, "once in each `period`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 || *every <= 0 {
		flags.Usage()
		return flag.ErrHelp
	}
	joined, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, joined.Close()) }()
	session, err := kvbucket.OpenSession(ctx, joined.Conn(), kvbucket.SessionConfig{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }() // it releases the lock
	j := &job{*name, now.UTC().Truncate(*every).Format(time.RFC3339), flags.Args(), stdout, stderr}
	return j.once(ctx, session)
}

// once does the job unless another does it now, or has done it in this period.
func (j *job) once(ctx context.Context, s *kvbucket.Session) error {
	lock, err := atomic.NewLock(s, j.name)
	if err != nil {
		return err
	}
	grant, ok, err := lock.TryLock(ctx)
	if err != nil {
		return err
	}
	if !ok {
		_, err := fmt.Fprintln(j.out, "another does it now")
		return err
	}
	keys, err := kvbucket.Open(s.Conn(), "kv")
	if err != nil {
		return err
	}
	done, err := keys.Get(ctx, j.key(), kvbucket.Default(nil))
	if err != nil {
		return err
	}
	if string(done.Value) == j.period {
		_, err := fmt.Fprintln(j.out, "done already for", j.period)
		return err
	}
	if err := j.do(ctx, grant); err != nil {
		return err
	}
	return j.record(ctx, keys, grant)
}

func (j *job) key() string { return "cronlock/" + j.name }

// do runs the command, and ends it when the lock is lost.
func (j *job) do(ctx context.Context, grant *atomic.Grant) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	defer func() { cancel(); <-watched }()
	go func() { // ends with ctx
		defer close(watched)
		select {
		case <-grant.Lost():
			cancel()
		case <-ctx.Done():
		}
	}()
	cmd := exec.CommandContext(ctx, j.command[0], j.command[1:]...)
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("FENCE=%d", grant.Fence()))
	cmd.Stdout, cmd.Stderr = j.out, j.err
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	return errors.Join(cmd.Run(), grant.Err())
}

// record says that the job is done for this period, if the lock is still held.
func (j *job) record(ctx context.Context, keys *kvbucket.Bucket, grant *atomic.Grant) error {
	res, err := keys.Commit(ctx, kvbucket.Txn{
		If:   []kvbucket.Cond{grant.Held()},
		Then: []kvbucket.Op{kvbucket.OpPut(j.key(), []byte(j.period))},
	})
	if err != nil {
		return err
	}
	if !res.Succeeded {
		return atomic.ErrLost
	}
	_, err = fmt.Fprintln(j.out, "done for", j.period)
	return err
}
