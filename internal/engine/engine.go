package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds and times of the engine.
const (
	// DefaultQuota bounds the memory of the state.
	DefaultQuota = 2 << 30
	// MaxRecordBytes bounds one record; a server with a smaller payload lowers it.
	MaxRecordBytes = 8 << 20
	// RecordReserve is what a transaction must leave free in a record.
	RecordReserve = 64 << 10
	// MaxQueued and MaxQueuedBytes bound the requests that wait for a round.
	MaxQueued      = 1 << 16
	MaxQueuedBytes = 64 << 20
	// MaxLag and MaxLagBytes are how far the projection may lag behind before
	// writes wait, and are refused when the queue is full.
	MaxLag      = 10_000_000
	MaxLagBytes = 1 << 30
	// MaxWaiting bounds the requests that wait for something to be revealed.
	MaxWaiting = 1 << 16
)

// Config says what an engine stands on.
type Config struct {
	Namespace   string      // Default: bus.DefaultNamespace.
	Log         Log         // Required.
	Checkpoints Checkpoints // Default: none are written, recovery folds the whole log.
	// Projector makes the views; it gets the engine's snapshots. Default: no views.
	Projector func(e *Engine) (Projector, error)
	Publish   Publisher // Default: no events.
	Layers    []Layer
	StoreID   []byte // 16 bytes. Required.
	// Shown is the newest revision that any view shows: for a log that may lose
	// its end, which the views then prove. Default: the log is believed.
	Shown func(ctx context.Context) (revision uint64, err error)
	Quota int64 // bytes. Default: DefaultQuota.
	// Keep is how long records stay in the log at least. Default: DefaultKeep.
	Keep time.Duration
	// CheckpointAfter is how many bytes of log cause a checkpoint. Default: DefaultCheckpointAfter.
	CheckpointAfter int64
	// OnDoubt is called each time a write to the log stays in doubt, so that a
	// host can restart its server. It must not block. Default: nothing.
	OnDoubt func(error)
	Logger  *slog.Logger // Default: slog.Default().
}

func (c *Config) validate() error {
	if c.Log == nil || len(c.StoreID) != 16 {
		return errors.New("engine: Config.Log and a Config.StoreID of 16 bytes are required")
	}
	if c.Namespace == "" {
		c.Namespace = bus.DefaultNamespace
	}
	if c.Quota == 0 {
		c.Quota = DefaultQuota
	}
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	if c.CheckpointAfter == 0 {
		c.CheckpointAfter = DefaultCheckpointAfter
	}
	if c.Publish == nil {
		c.Publish = nobody{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

// Snapshot is the whole keyspace at one revision. It never changes and is
// safe for concurrent use.
type Snapshot struct {
	keyspace
	Epoch       uint64
	Incarnation uint64
	recent      recent
	bytes       int64 // what the head counts beside the keys, to go back to
	graves      []grave
}

// Engine is the active engine of one namespace. Submit and View are safe for
// concurrent use; everything else belongs to its loop.
type Engine struct {
	cfg     Config
	names   bus.Names
	id      string
	verbs   map[string]verb
	buckets map[string]Bucket
	subject map[string]func(bus.Names, *bus.Change) string
	ended   []func(*Tx, string, uint64, int) bool
	virtual []func(Reader, string) (uint64, bool)
	timers  map[string]func(*Tx, string) error // by layer

	view    atomic.Pointer[Snapshot] // what everybody may read: acknowledged
	refuse  atomic.Pointer[bus.Error]
	queue   queue
	waiters waiters
	waiting atomic.Int64 // goroutines of reads that wait
	leases  leases
	stats   Stats

	// the loop's own
	head    *state
	once    *once
	recent  recent
	parking parking
	rounds  []*round // [0] is in flight when flying; the last may still grow
	flying  bool
	lags    bool          // the views are too far behind: nothing new is evaluated
	full    *bus.Error    // what stuck refuses writes with
	settles bool          // doubt is being settled: nothing is published
	ending  bool          // owners are left to be ended
	always  chan struct{} // closed
	acks    chan ack
	seq     uint64 // newest folded record of the log
	last    uint64 // its record id
	time0   int64  // engine time at start
	start   time.Time
	now     int64 // engine time of this turn
	wall    int64
	epoch   uint64
	incarn  uint64
	project Projector
	saver   saver
	bare    int64 // bytes of the state after the last shedding, or less
	scans   scanCache
	looks   chan struct{} // MaxLooks of them

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed chan struct{} // closed when the engine stopped by itself
	err    error         // why; read after failed
}

// verb is a procedure or a read.
type verb struct {
	proc *Procedure
	read *Read
}

// Open recovers the state from checkpoint and log, takes a new epoch and
// starts to answer. The caller guarantees that no other engine writes the log
// on purpose; one that does so anyway is fenced by the log itself.
//
// Errors: CodeStore for a store that is broken, foreign or too new; what the
// log returns.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, names: bus.Names{Namespace: cfg.Namespace}, id: uuid.NewString(),
		verbs: map[string]verb{}, buckets: map[string]Bucket{}, subject: map[string]func(bus.Names, *bus.Change) string{},
		timers: map[string]func(*Tx, string) error{}, once: newOnce(), acks: make(chan ack, 4), always: make(chan struct{}), failed: make(chan struct{}), start: time.Now(), incarn: 1,
		looks: make(chan struct{}, MaxLooks),
	}
	close(e.always)
	e.head = newState(e.buckets)
	e.waiters.init()
	e.queue.init()
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.register(append([]Layer{e.ownLayer()}, cfg.Layers...)); err != nil {
		return nil, err
	}
	if err := e.recover(ctx); err != nil {
		e.cancel()
		return nil, err
	}
	if err := e.begin(ctx); err != nil {
		e.cancel()
		return nil, err
	}
	e.wg.Go(e.run)
	return e, nil
}

// register takes up the verbs, buckets and hooks of the layers.
func (e *Engine) register(layers []Layer) error {
	add := func(name string, v verb) error {
		if _, ok := e.verbs[name]; ok {
			return fmt.Errorf("engine: two layers answer %q", name)
		}
		e.verbs[name] = v
		return nil
	}
	for _, l := range layers {
		for i := range l.Procedures {
			if err := add(l.Procedures[i].Verb, verb{proc: &l.Procedures[i]}); err != nil {
				return err
			}
		}
		for i := range l.Reads {
			if err := add(l.Reads[i].Verb, verb{read: &l.Reads[i]}); err != nil {
				return err
			}
		}
		for _, b := range l.Buckets {
			if b.History == 0 {
				b.History = DefaultHistory
			}
			e.buckets[b.Name] = b
			e.subject[b.Name] = l.Subject
		}
		if l.OwnerEnded != nil {
			e.ended = append(e.ended, l.OwnerEnded)
		}
		if l.Timer != nil {
			e.timers[l.Name] = l.Timer
		}
		if l.Owner != nil {
			e.virtual = append(e.virtual, l.Owner)
		}
	}
	return nil
}

// begin takes a new epoch, publishes the first snapshot and starts the views.
func (e *Engine) begin(ctx context.Context) error {
	if err := e.takeEpoch(ctx); err != nil {
		return err
	}
	if p, ok := e.cfg.Publish.(*Events); ok {
		p.bind(e)
	}
	e.view.Store(e.snapshot())
	if err := e.startViews(); err != nil {
		return err
	}
	e.leases.restart(&e.head.keyspace, e.engineTime())
	return nil
}

func (e *Engine) startViews() error {
	if e.cfg.Projector == nil {
		return nil
	}
	p, err := e.cfg.Projector(e)
	if err != nil {
		return err
	}
	if err := p.Start(e.ctx); err != nil {
		return errors.Join(err, p.Close())
	}
	e.project = p
	return nil
}

// Bucket is how a bucket is kept.
func (e *Engine) Bucket(name string) Bucket {
	if b, ok := e.buckets[name]; ok {
		return b
	}
	b := Bucket{Name: name, History: DefaultHistory}
	if s := e.view.Load(); s != nil {
		b.History = s.history(name)
	}
	return b
}

// Verbs lists what the engine answers.
func (e *Engine) Verbs() []string {
	var out []string
	for v := range e.verbs {
		out = append(out, v)
	}
	return out
}

// Snapshot is everything acknowledged so far: a linearizable read where
// nobody but this engine can write the log.
func (e *Engine) Snapshot() *Snapshot { return e.view.Load() }

// Failed is closed when the engine stopped by itself; Err says why.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err is why the engine stopped by itself, or nil.
func (e *Engine) Err() error {
	select {
	case <-e.failed:
		return e.err
	default:
		return nil
	}
}

// Refuse makes every write fail with err until it is called with nil: reads
// go on. It is how a host says that its disk is full.
func (e *Engine) Refuse(err *bus.Error) { e.refuse.Store(err) }

// Names gives the subjects and streams of the engine's namespace.
func (e *Engine) Names() bus.Names { return e.names }

// Flush returns when every change that was acknowledged before the call is in
// the views.
func (e *Engine) Flush(ctx context.Context) error {
	if e.project == nil {
		return nil
	}
	return e.project.Flush(ctx)
}

// Close stops the engine. Requests that wait get ErrClosed; what is in flight
// may still be stored and is found by the next engine. Close waits for every
// goroutine.
func (e *Engine) Close() error {
	e.queue.close()
	e.cancel()
	e.wg.Wait()
	if e.project != nil {
		return e.project.Close()
	}
	return nil
}

// engineTime is the engine's own clock: it goes on from the last record.
func (e *Engine) engineTime() int64 { return e.time0 + int64(time.Since(e.start)) }

// nobody is the Publisher of an engine without events.
type nobody struct{}

func (nobody) Publish(*Round) {}
