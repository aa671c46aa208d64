// Command race lets launchers take jobs through their states while a monitor
// counts what it hears: first by chained watches on a plain NATS KV bucket,
// then by one monitor of lwjbus.
//
//	go run ./examples/race
//	go run ./examples/race -launchers 4 -jobs 100
//
// The chain of watches is the one of launchers that keep a counter and a key
// for each job: the monitor watches lwj.next-id, and when it grows installs a
// watch on the new job's lwj.N.state. What happens to the job before that
// second watch is there is never told. The row "updates" hears only what
// changes; the row "value" gets the key's value first, then what changes, and
// still misses what the key was before. Each watch is installed in a goroutine
// of its own, so no watch waits for another, and the bucket keeps every
// version: all that is missed is missed by the race.
//
// Everything runs on one embedded server with one disk. It is a host of its
// own, in a temporary directory or that of -dir, not the machine's: 500 jobs
// that do nothing are nothing to leave there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"

	"github.com/nats-io/nats.go/jetstream"

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
	h, err := host.Start(ctx, host.Config{Dir: *dir})
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
		{"NATS KV, chained watches, updates", func(t *tally) error { return chained(ctx, h, "race-updates", w, t, jetstream.UpdatesOnly()) }},
		{"NATS KV, chained watches, value", func(t *tally) error { return chained(ctx, h, "race-value", w, t) }},
		{"lwjbus, one monitor", func(t *tally) error { return logged(ctx, h, w, t) }},
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "made\tseen\tmissed\tdoubled\tfirst state missed\tseconds\t  system\n")
	for _, s := range systems {
		t := newTally()
		if err := s.run(t); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r := t.result(w.jobs)
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d of %d jobs\t%.2f\t  %s\n", r.made, r.seen, r.missed, r.doubled, r.first, w.jobs, t.took.Seconds(), s.name)
	}
	return table.Flush()
}
