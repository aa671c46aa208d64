// Command scheduler starts a scheduler as a job on the bus of this machine,
// and workers that wait until it has an address.
//
//	go run ./examples/scheduler           # each worker gets its work
//	go run ./examples/scheduler -broken   # the scheduler fails first: no worker hangs
//
// A job is an owner of keys for as long as it runs. The scheduler puts its
// address under its job; a worker waits for that key, unless the job ends. So
// there is no timeout to guess, and no address of a scheduler that is gone.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const (
	workers = 3
	grace   = time.Second // for the scheduler, from SIGTERM to SIGKILL
)

func main() {
	lwj.Init() // first: the supervisor of a job is this program, too, and goes no further
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scheduler:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("scheduler", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	broken := flags.Bool("broken", false, "the scheduler fails before it has an address")
	inside := flags.Bool("inside", false, "be the scheduler, inside its job")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *inside {
		return schedule(ctx, *broken)
	}
	joined, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, joined.Close()) }()
	launcher, err := lwj.NewLauncher(ctx, joined.Conn(), lwj.LauncherConfig{Name: "example", Dir: *dir})
	if err != nil {
		return err
	}
	err = runBatch(ctx, joined.Conn(), launcher, *broken, stdout)
	return errors.Join(err, launcher.Close(context.WithoutCancel(ctx)))
}

// runBatch starts the scheduler and its workers, and ends it when they are done.
func runBatch(ctx context.Context, conn *bus.Conn, launcher *lwj.Launcher, broken bool, stdout io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	job, err := launcher.Run(ctx, lwj.NewSpec(program, "-inside", "-broken="+strconv.FormatBool(broken)), lwj.RunOptions{})
	if err != nil {
		return err
	}
	var got [workers]string
	var all errgroup.Group
	for i := range got {
		all.Go(func() (err error) { got[i], err = work(ctx, conn, job.ID()); return err })
	}
	err = all.Wait()
	job.Cancel(grace)
	for i, line := range got {
		if line != "" {
			fmt.Fprintf(stdout, "worker %d: %s\n", i+1, line)
		}
	}
	return err
}

// work is a worker: it finds the scheduler of a job, and asks it for work.
func work(ctx context.Context, conn *bus.Conn, scheduler uint64) (string, error) {
	addresses, err := kvbucket.Open(conn, "addresses")
	if err != nil {
		return "", err
	}
	owner := lwj.JobOwner(scheduler)
	e, err := addresses.Wait(ctx, owner, kvbucket.UnlessOwnerEnds(owner))
	if errors.Is(err, kvbucket.ErrOwnerEnded) {
		return "", errors.New("the scheduler has ended and never had an address")
	}
	if err != nil {
		return "", err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", string(e.Value))
	if err != nil {
		return "", err
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// schedule is the scheduler: it listens, says where, and gives out work.
func schedule(ctx context.Context, broken bool) error {
	if broken {
		return errors.New("broken")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	if err := publish(ctx, l.Addr().String()); err != nil {
		return err
	}
	for n := 1; ; n++ {
		c, err := l.Accept() // until the job is canceled
		if err != nil {
			return err
		}
		fmt.Fprintln(c, "piece", n)
		c.Close()
	}
}

// publish puts the address under the job in which this process is.
func publish(ctx context.Context, address string) error {
	job, err := strconv.ParseUint(os.Getenv(lwj.EnvJobID), 10, 64)
	if err != nil {
		return fmt.Errorf("this is not inside a job: %w", err)
	}
	conn, err := bus.DialLocal(ctx, os.Getenv(lwj.EnvDir), bus.Config{})
	if err != nil {
		return err
	}
	defer conn.Close()
	addresses, err := kvbucket.Open(conn, "addresses")
	if err != nil {
		return err
	}
	owner := lwj.JobOwner(job)
	_, err = addresses.Put(ctx, owner, []byte(address), kvbucket.OwnedBy(kvbucket.Owner{ID: owner}))
	return err
}
