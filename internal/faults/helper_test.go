package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/lwj"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// helperMark as first argument makes the test binary a helper.
const helperMark = "helper-of-a-test"

// What a helper is and says, one word a line.
const (
	roleHost  = "host"  // hosts the directory as soon as nobody else does
	roleJoin  = "join"  // joins, and takes over
	roleOwner = "owner" // owns a job
	roleAdder = "adder" // adds to a word

	saidWaiting = "waiting" // another process hosts
	saidReady   = "ready"   // hosts, or has joined, or is about to add
	saidDone    = "done"    // has added
)

// lockPause is how often a helper that waits to host looks.
const lockPause = 5 * time.Millisecond

// help is the main function of a helper. It ends with its stdin.
func help(role string, args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in := bufio.NewScanner(os.Stdin)
	var err error
	switch role {
	case roleHost:
		err = helpHost(ctx, args[0], in)
	case roleJoin:
		err = helpJoin(ctx, args[0], in)
	case roleOwner:
		err = helpOwner(ctx, args[0], in)
	case roleAdder:
		err = helpAdd(ctx, args[0], args[1], in)
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		return 1
	}
	return 0
}

func helperConfig(dir string) host.Config {
	return host.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

// helpHost becomes the host when the one before it is gone.
func helpHost(ctx context.Context, dir string, in *bufio.Scanner) error {
	ended := make(chan struct{})
	go func() { // ends with stdin
		defer close(ended)
		for in.Scan() {
		}
	}()
	h, err := host.Start(ctx, helperConfig(dir))
	if errors.Is(err, host.ErrLocked) {
		fmt.Println(saidWaiting)
	}
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for errors.Is(err, host.ErrLocked) {
		select {
		case <-ended:
			return nil
		case <-tick.C:
			h, err = host.Start(ctx, helperConfig(dir))
		}
	}
	if err != nil {
		return err
	}
	fmt.Println(saidReady)
	select {
	case <-ended:
	case <-h.Failed():
		err = h.Err()
	}
	return errors.Join(err, h.Close())
}

func helpJoin(ctx context.Context, dir string, in *bufio.Scanner) error {
	s, err := host.Join(ctx, helperConfig(dir))
	if err != nil {
		return err
	}
	fmt.Println(saidReady)
	for in.Scan() {
	}
	return s.Close()
}

// helpOwner registers as an owner with the shortest lease, starts a job and
// says its id. It renews the lease until a line comes in; then it makes a
// transition and says the code of the answer.
func helpOwner(ctx context.Context, dir string, in *bufio.Scanner) error {
	c, err := bus.DialLocal(ctx, dir, bus.Config{})
	if err != nil {
		return err
	}
	defer c.Close()
	var o engine.OwnerAnswer
	if err := c.Call(ctx, "owner.register", engine.RegisterOwner{ID: "paused", TTL: engine.MinTTL.Milliseconds()}, &o); err != nil {
		return err
	}
	spec := lwj.NewSpec("true")
	spec.Retries = 1
	id, err := lwj.NewClient(c).Submit(ctx, spec, lwj.Start("paused", o.Token))
	if err != nil {
		return err
	}
	if err := lwj.NewClient(c).AdvanceOne(ctx, id, lwj.Starting, 1, nil); err != nil {
		return err
	}
	fmt.Println("job", id)
	if err := renewUntilLine(ctx, c, o.Token, in); err != nil {
		return err
	}
	fmt.Println("code", bus.CodeOf(lwj.NewClient(c).AdvanceOne(ctx, id, lwj.Running, 1, nil)))
	return nil
}

// renewUntilLine keeps the lease alive; that it may be over is what is tested.
func renewUntilLine(ctx context.Context, c *bus.Conn, token uint64, in *bufio.Scanner) error {
	line := make(chan bool)
	go func() { line <- in.Scan() }()
	tick := time.NewTicker(engine.MinTTL / 4)
	defer tick.Stop()
	for {
		select {
		case ok := <-line:
			if !ok {
				return errors.New("stdin ended")
			}
			return nil
		case <-tick.C:
			err := c.Call(ctx, "owner.renew", engine.RenewOwner{ID: "paused", Token: token}, nil, bus.Read())
			if code := bus.CodeOf(err); code != "" && code != bus.CodeNoOwner {
				return err
			}
		}
	}
}
