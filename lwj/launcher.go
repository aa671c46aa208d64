package lwj

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Defaults and bounds of a launcher.
const (
	DefaultLease = 10 * time.Second // LauncherConfig.Lease
	MinLease     = time.Second
	MaxLease     = 24 * time.Hour

	// DefaultLauncher is the default of LauncherConfig.Name.
	DefaultLauncher = "launcher"

	// maxStarts is how many jobs of one launcher start their processes at a
	// time: more would only wait for the processor, and each holds a thread.
	maxStarts = 16
)

// LauncherConfig says how a launcher runs jobs. The zero value works.
type LauncherConfig struct {
	// Name begins the launcher's owner id; a random part follows. One or more
	// of A-Z a-z 0-9 _ -. Default: DefaultLauncher.
	Name string
	// Lease is how long the host keeps the launcher's jobs when it hears
	// nothing from it, and how long the launcher keeps their processes when it
	// does not reach the host. MinLease to MaxLease. Default: DefaultLease.
	Lease time.Duration
	// Grace is the time from SIGTERM to SIGKILL where the launcher itself ends
	// a job: time limit, fail-fast, Close. Default: DefaultGrace.
	Grace time.Duration
	// Environ is what the environment of every task starts from. Default:
	// os.Environ().
	Environ []string
	// Server and Dir say how a task reaches the bus: the URL of a NATS server,
	// or else the data directory of the local host. Default: LWJ_SERVER of
	// Environ; bus.DefaultDir().
	Server, Dir string
	// Host is where the jobs run, as their details show it. Default: os.Hostname().
	Host string
	// Logger. Default: none.
	Logger *slog.Logger
}

func (c *LauncherConfig) validate() error {
	if c.Name == "" {
		c.Name = DefaultLauncher
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Environ == nil {
		c.Environ = os.Environ()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.reach()
	if c.Host == "" {
		c.Host, _ = os.Hostname() // a job without a host's name runs as well
	}
	unfit := strings.IndexFunc(c.Name, func(r rune) bool { return !strings.ContainsRune(tokenRunes, r) }) >= 0
	switch {
	case unfit || len(c.Name) > MaxName/2:
		return usage("the launcher's name %q must be 1 to %d of A-Z a-z 0-9 _ -", clip(c.Name), MaxName/2)
	case c.Lease < MinLease || c.Lease > MaxLease:
		return usage("a lease of %v is outside %v to %v", c.Lease, MinLease, MaxLease)
	case c.Grace < 0 || c.Grace > MaxGrace:
		return usage("the grace %v is outside 0 to %v", c.Grace, MaxGrace)
	}
	return nil
}

// reach finds how a task reaches the bus where nobody says it.
func (c *LauncherConfig) reach() {
	if c.Server != "" || c.Dir != "" {
		return
	}
	for _, kv := range c.Environ {
		if server, ok := strings.CutPrefix(kv, EnvServer+"="); ok {
			c.Server = server
		}
	}
	c.Dir, _ = bus.DefaultDir() // without one a task has to know by itself
}

const tokenRunes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// Launcher runs jobs on this machine and tells the host of every step. It owns
// them by a lease; it writes nothing about a job that is no longer its own.
//
// # Ordering and concurrency
//
// Safe for concurrent use. The transitions of one job are made in their order:
// no process of it exists before "starting" is committed, "running" is on its
// way before a task's end is looked at, and the final state is made when the
// processes are gone and their output is whole in the store
// (TestLauncherTransitions, TestLauncherOutput). What several jobs have to say
// at one moment goes in one request (TestLauncherThousand).
//
// # Failure
//
//	what                          what happens                                          proven by
//	the host is not reached       jobs run on; writes are repeated, output waits at     TestLauncherCutOff
//	                              the tasks' pipes once maxSpooled bytes are kept
//	… for the lease's time        the launcher counts itself lost: its jobs' processes  TestLauncherLeaseLost
//	                              are killed, their results are Lost, Run refuses
//	the launcher is paused beyond its writes are refused (ErrFenced), its processes     TestLauncherPaused
//	its lease                     are killed
//	the launcher is killed        so are the processes (internal/proc); the host        TestLauncherKilled
//	                              settles its jobs when the lease has ended, the next
//	                              host of the machine as soon as it starts
//
// # Limits
//
// At most maxStarts jobs start processes at a time, maxSpooled bytes of output
// wait in memory. A running job costs two goroutines (three with standard
// input), two file descriptors and no thread (TestLauncherThousand).
//
// Goroutines: those of session, watch, ledger and spool, one per job; Close waits
// for all of them.
type Launcher struct {
	conn    *bus.Conn
	client  *Client
	cfg     LauncherConfig
	session *kvbucket.Session
	watch   *watch
	ledger  *ledger
	spool   *spool
	starts  chan struct{} // a slot is taken by sending

	ctx    context.Context // ends when the lease is lost or Close gives up or is done
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup
	lost   chan struct{} // closed when the lease is lost
	ended  chan struct{} // closed when Close is done

	mu      sync.Mutex
	jobs    map[uint64]*Job
	closing bool
	missed  bool           // a request came for a job that is not in jobs yet
	begun   uint64         // submits so far
	submits int            // in flight
	active  sync.WaitGroup // submits and jobs; added to only while closing is false
}

// NewLauncher registers a launcher with the host behind conn, which it does
// not close. ctx is for the call alone.
//
// Errors: CodeUsage; those of bus.Conn.Call.
func NewLauncher(ctx context.Context, conn *bus.Conn, cfg LauncherConfig) (*Launcher, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if conn.NATS() == nil {
		return nil, usage("a launcher needs a connection that has NATS: cancel requests come as events")
	}
	cfg.Environ = withoutReach(cfg.Environ)
	l := &Launcher{
		conn: conn, client: NewClient(conn), cfg: cfg, jobs: map[uint64]*Job{},
		starts: make(chan struct{}, maxStarts), lost: make(chan struct{}), ended: make(chan struct{}),
	}
	l.watch = newWatch(l)
	var err error
	l.session, err = kvbucket.OpenSession(ctx, conn, kvbucket.SessionConfig{
		ID: cfg.Name + "-" + uuid.NewString(), TTL: cfg.Lease, Info: fmt.Sprintf("host %s, pid %d", cfg.Host, os.Getpid()),
		Renewed: l.watch.resync,
	})
	if err != nil {
		return nil, err
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	if err = l.watch.open(); err != nil {
		l.cancel(err)
		l.endOwner(ctx)
		return nil, err
	}
	l.ledger, l.spool = newLedger(l.ctx, l.client), newSpool(l.ctx, conn)
	l.loops.Go(l.keepLease)
	l.loops.Go(l.watch.run)
	l.loops.Go(l.ledger.run)
	l.loops.Go(l.spool.run)
	return l, nil
}

// keepLease waits until the lease is lost or the launcher ends.
func (l *Launcher) keepLease() {
	select {
	case <-l.session.Lost():
	case <-l.ctx.Done():
		return
	}
	err := l.session.Err()
	if errors.Is(err, bus.ErrClosed) || l.ctx.Err() != nil {
		return
	}
	l.cfg.Logger.Warn("the launcher has lost its lease", "owner", l.ID(), "error", err)
	close(l.lost)
	l.cancel(refuse(ErrNoOwner, "the launcher's lease has ended: %v", err).WithHint("start another launcher"))
}

// endOwner ends the registration: the host settles what is left at once. Where
// it cannot, the lease ends by itself.
func (l *Launcher) endOwner(ctx context.Context) {
	l.session.Orphan()
	_ = kvbucket.EndOwner(ctx, l.conn, l.session.Owner())
}

// ID is the owner id under which the launcher has its jobs.
func (l *Launcher) ID() string { return l.session.ID() }

// Lost is closed when the launcher has lost its lease, and with it all its
// jobs: it runs no more. Close it, and start another.
func (l *Launcher) Lost() <-chan struct{} { return l.lost }
