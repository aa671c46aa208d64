// Command race lets launchers take jobs through their states while a monitor
// counts what it hears: first by chained watches on a plain NATS KV bucket,
// then by one monitor of lwjbus.
//
//	go run ./examples/race
//	go run ./examples/race -durability fast
//
// The chain of watches is the one of launchers that keep a counter and a key
// for each job: the monitor watches lwj.next-id, and when it grows installs a
// watch on the new job's lwj.N.state. What happens to the job before that
// second watch is there is never told. There are three of them, each kinder
// than the one before:
//
//	one by one     one thread installs the watches, one after the other
//	at once        each is installed in a goroutine of its own and waits for no other
//	value first    and it begins with the value that the key has by then
//
// The bucket keeps every version of a state, and the monitor's first watch is
// there before the first job: what is missed is missed by the race. It is the
// chain that loses, not the bucket: NATS can watch lwj.*.state in one.
//
// Everything runs on one embedded server with one disk, and a write is
// acknowledged as late for all. The host is not the machine's, but one of its
// own in a temporary directory or that of -dir: 500 jobs that do nothing are
// nothing to leave on a bus.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/lwjbus/lwjbus/lwj/host"
)

// The work that the measurements in the documents did.
const (
	defaultLaunchers = 16
	defaultJobs      = 500
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "race:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("race", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var w work
	flags.IntVar(&w.launchers, "launchers", defaultLaunchers, "launchers at work at the same time")
	flags.IntVar(&w.jobs, "jobs", defaultJobs, "jobs that they take through their states together")
	durability := flags.String("durability", "synced", "when a write is acknowledged: `synced`, once it is on disk, or fast, as NATS does by default")
	dir := flags.String("dir", "", "data `directory` of the host (default: a temporary one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if w.launchers < 1 || w.jobs < 1 {
		return fmt.Errorf("%d launchers and %d jobs: want one of each at least", w.launchers, w.jobs)
	}
	if *dir == "" {
		if *dir, err = os.MkdirTemp("", "race-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(*dir)) }()
	}
	h, err := host.Start(ctx, host.Config{Dir: *dir, Durability: *durability})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return compare(ctx, h, w, stdout)
}

// compare does the work on each system and prints a line for each.
func compare(ctx context.Context, h *host.Host, w work, stdout io.Writer) error {
	systems := []struct {
		name string
		run  func(t *tally) error
	}{
		{"watches chained one by one", func(t *tally) error { return chained(ctx, h, chaining{bucket: "one-by-one"}, w, t) }},
		{"… at once", func(t *tally) error { return chained(ctx, h, chaining{bucket: "at-once", atOnce: true}, w, t) }},
		{"… at once, value first", func(t *tally) error {
			return chained(ctx, h, chaining{bucket: "value-first", atOnce: true, value: true}, w, t)
		}},
		{"lwjbus, one monitor", func(t *tally) error { return logged(ctx, h, w, t) }},
	}
	fmt.Fprintf(stdout, line, "", "made", "seen", "missed", "doubled", "first state missed", "seconds")
	for _, s := range systems {
		t := newTally()
		if err := s.run(t); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r := t.result(w.jobs)
		first, seconds := fmt.Sprintf("%d of %d jobs", r.first, w.jobs), fmt.Sprintf("%.2f", t.took.Seconds())
		if _, err := fmt.Fprintf(stdout, line, s.name, r.made, r.seen, r.missed, r.doubled, first, seconds); err != nil {
			return err
		}
	}
	return nil
}

// line is the format of a line of the table.
const line = "%-26v %6v %6v %6v %7v %18v %7v\n"
