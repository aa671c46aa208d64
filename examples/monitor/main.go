// Command monitor prints every transition of every job on the bus of this
// machine, from the first one that is kept. With -f it goes on with those to
// come.
//
//	go run ./examples/monitor -f
//
// One subscription covers all jobs, also those that do not exist yet: there is
// no second watch to install, and so no state that passes before it is there.
package main

import (
	"cmp"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "monitor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	follow := flags.Bool("f", false, "go on with what happens from now on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	session, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	monitor, err := lwj.NewClient(session.Conn()).Events(ctx, lwj.EventOptions{})
	if err != nil {
		return err
	}
	defer monitor.Close()
	return show(ctx, monitor, *follow, stdout)
}

// show prints transitions until the monitor has caught up, or for ever.
func show(ctx context.Context, monitor *lwj.Monitor, follow bool, stdout io.Writer) error {
	for {
		event, err := monitor.Next(ctx)
		switch {
		case err != nil:
			return err
		case event.CaughtUp && !follow:
			return nil
		case event.Kind == lwj.KindState:
			if _, err := fmt.Fprintf(stdout, "%d %s -> %s\n", event.Job, cmp.Or(event.From, "null"), event.To); err != nil {
				return err
			}
		}
	}
}
