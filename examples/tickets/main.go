// Command tickets sells tickets from a word of the bus of this machine: as many
// as there are, each once, however many sell at the same time.
//
//	go run ./examples/tickets                # in several terminals at once, if you like
//	go run ./examples/tickets -tickets 150   # fifty more
//
// A seller adds 1 on condition that the word is less than the number of
// tickets. The host evaluates that where the word is: nobody reads first, no
// sale is refused because another one was faster, and no one begins anew.
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

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// perSeller is how often each seller tries.
const perSeller = 10

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "tickets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("tickets", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	key := flags.String("key", "tickets-sold", "`key` of the word")
	tickets := flags.Int64("tickets", 100, "tickets there are")
	sellers := flags.Int("sellers", 64, "sellers at the same time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *sellers < 1 || *tickets < 0 {
		return fmt.Errorf("%d sellers of %d tickets: want one at least, of no less than none", *sellers, *tickets)
	}
	session, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	sold, err := atomic.Open(session.Conn(), "kv", *key)
	if err != nil {
		return err
	}
	mine, err := sellAll(ctx, &office{sold, *tickets}, *sellers)
	if err != nil {
		return err
	}
	total, err := sold.Load(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d tickets sold here, %d of %d in all\n", len(mine), total, *tickets)
	return err
}

// office is a number of tickets, of which a word counts those that are sold.
type office struct {
	sold    *atomic.Word
	tickets int64
}

// sell returns the number of a ticket, from 0; false when there is none left.
func (o *office) sell(ctx context.Context) (ticket int64, ok bool, err error) {
	return o.sold.AddIf(ctx, atomic.AddIfLess, o.tickets, 1)
}

// sellAll has all sellers at work at the same time and returns the tickets that
// they sold.
func sellAll(ctx context.Context, o *office, sellers int) (mine []int64, err error) {
	var mu sync.Mutex // guards mine and err
	var all sync.WaitGroup
	for range sellers {
		all.Go(func() {
			for range perSeller {
				ticket, ok, failed := o.sell(ctx)
				mu.Lock()
				if err = errors.Join(err, failed); ok {
					mine = append(mine, ticket)
				}
				mu.Unlock()
				if !ok || failed != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return mine, err
}
