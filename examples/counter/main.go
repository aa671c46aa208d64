// Command counter has workers count themselves in a key of the bus of this
// machine, and waits until none is left.
//
//	go run ./examples/counter
//
// Start it in several terminals at once: the counter is one for all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const workers = 8

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("counter", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	key := flags.String("key", "at-work", "`key` of the counter")
	if err := flags.Parse(args); err != nil {
		return err
	}
	session, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	bucket, err := kvbucket.Open(session.Conn(), "kv")
	if err != nil {
		return err
	}
	c, err := openCounter(ctx, bucket, *key)
	if err != nil {
		return err
	}
	return count(ctx, c, stdout)
}

// count has all workers inside at once, lets them go, and waits for the
// counter, not for them.
func count(ctx context.Context, c *counter, stdout io.Writer) error {
	ctx, fail := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer fail(nil)
	for range workers {
		all.Go(func() {
			if err := c.inside(ctx, func(ctx context.Context) error { return work(ctx, done) }); err != nil {
				fail(err)
			}
		})
	}
	if err := c.wait(ctx, func(n uint64) bool { return n >= workers }); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	fmt.Fprintf(stdout, "%d are at work\n", workers)
	close(done)
	if err := c.waitZero(ctx); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	_, err := fmt.Fprintln(stdout, "nobody is left")
	return err
}

// work is what a worker does inside.
func work(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
