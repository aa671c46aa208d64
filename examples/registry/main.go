// Command registry is a service registry on the bus of this machine: an entry
// is there for as long as the process that put it.
//
//	go run ./examples/registry serve web 10.0.0.7:80   # in one terminal, and another in a second
//	go run ./examples/registry list -f                 # in a third; then kill one of them
//
// Each service has a session, and its entry is owned by it. Whether the process
// closes the session, is killed or hangs: the entry goes, within the session's
// TTL and 2 s. Nobody has to clean up, and nobody can forget to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// ttl is how long the bus waits for a service of which it hears nothing.
const ttl = 3 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, "usage: registry [-dir DIRECTORY] serve NAME ADDRESS | list [-f]") }
	dir := flags.String("dir", "", "data `directory` of the bus (default: this machine's)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	joined, err := host.Join(ctx, host.Config{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, joined.Close()) }()
	services, err := kvbucket.Open(joined.Conn(), "services")
	if err != nil {
		return err
	}
	switch args = flags.Args(); {
	case len(args) == 3 && args[0] == "serve":
		return serve(ctx, joined.Conn(), services, args[1], args[2], stdout)
	case len(args) == 1 && args[0] == "list":
		return list(ctx, services, false, stdout)
	case len(args) == 2 && args[0] == "list" && args[1] == "-f":
		return list(ctx, services, true, stdout)
	}
	flags.Usage()
	return flag.ErrHelp
}

// serve keeps a service in the registry until ctx ends or the session is lost.
func serve(ctx context.Context, conn *bus.Conn, services *kvbucket.Bucket, name, address string, stdout io.Writer) (err error) {
	session, err := kvbucket.OpenSession(ctx, conn, kvbucket.SessionConfig{TTL: ttl})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	key := name + "/" + session.ID()
	if _, err := services.Put(ctx, key, []byte(address), kvbucket.OwnedBy(session.Owner())); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "serving", name, "at", address)
	select { // a service would do its work meanwhile
	case <-session.Lost():
		return session.Err()
	case <-ctx.Done():
		return nil
	}
}

// list prints the services there are; with follow also who comes and goes.
func list(ctx context.Context, services *kvbucket.Bucket, follow bool, stdout io.Writer) error {
	mirror, err := services.Mirror(ctx) // a client that asks often keeps one, and asks nobody
	if err != nil {
		return err
	}
	defer mirror.Close()
	now := mirror.Snapshot()
	fmt.Fprintln(stdout, now.Len(), "services")
	for e := range now.Range(kvbucket.Range{}) {
		fmt.Fprintf(stdout, "%s at %s\n", e.Key, e.Value)
	}
	for follow {
		next, err := mirror.WaitRevision(ctx, now.Revision()+1)
		if err != nil {
			return err
		}
		differences(now, next, stdout)
		now = next
	}
	return nil
}

// differences prints who came and went between two snapshots.
func differences(was, is *kvbucket.Snapshot, stdout io.Writer) {
	for e := range was.Range(kvbucket.Range{}) {
		if _, ok := is.Get(e.Key); !ok {
			fmt.Fprintf(stdout, "- %s at %s\n", e.Key, e.Value)
		}
	}
	for e := range is.Range(kvbucket.Range{}) {
		if _, ok := was.Get(e.Key); !ok {
			fmt.Fprintf(stdout, "+ %s at %s\n", e.Key, e.Value)
		}
	}
}
