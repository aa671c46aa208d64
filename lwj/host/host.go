package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj"
)

// ErrLocked is returned by Start when another process hosts the directory.
var ErrLocked = embedded.ErrLocked

// closeFlush is how long Close waits for the views to show everything.
const closeFlush = 2 * time.Second

// Host is a running host. It is safe for concurrent use.
type Host struct {
	cfg    Config
	lock   *embedded.Lock
	server *embedded.Server
	disk   *embedded.Disk
	guard  *guardian
	store  string

	log, core, view *nats.Conn // the engine's appends; everything else in CORE; the views
	front           *nats.Conn // requests and answers
	streamLog       *engine.StreamLog
	checkpoints     engine.Checkpoints
	output          *lwj.OutputStore
	engine          *engine.Engine
	api             micro.Service

	once sync.Once
	err  error
}

// Start takes the lock of the data directory and becomes its host.
//
// Errors: ErrLocked when another process is; *bus.Error of code store for a
// directory or store that cannot be used, unreachable for a port that is taken.
func Start(ctx context.Context, cfg Config) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := embedded.TryLock(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return startLocked(ctx, cfg, lock)
}

// startLocked becomes the host under a lock, which it closes if it cannot.
func startLocked(ctx context.Context, cfg Config, lock *embedded.Lock) (*Host, error) {
	h := &Host{cfg: cfg, lock: lock}
	for _, step := range []func(context.Context) error{h.openServer, h.openStore, h.openEngine, h.bury, h.openAPI, h.publish} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	return h, nil
}

// openServer starts the embedded server and the watch over its disk.
func (h *Host) openServer(ctx context.Context) (err error) {
	if err := h.claim(); err != nil {
		return err
	}
	h.server, err = embedded.Start(ctx, embedded.Config{
		Dir: h.cfg.Dir, Durability: h.cfg.Durability, Namespace: h.cfg.Namespace, Port: h.cfg.Port, Logger: h.cfg.Logger,
	})
	if err != nil {
		return err
	}
	h.guard = newGuardian(h)
	h.disk, err = embedded.WatchDisk(embedded.DiskConfig{Dir: h.cfg.Dir, OnChange: h.guard.disk, Logger: h.cfg.Logger})
	return err
}

// openStore opens the streams.
func (h *Host) openStore(ctx context.Context) (err error) {
	if h.log, err = h.server.Core(); err != nil {
		return err
	}
	if h.core, err = h.server.Core(); err != nil {
		return err
	}
	if h.view, err = h.server.View(nats.NoEcho()); err != nil {
		return err
	}
	if h.front, err = h.server.Front(); err != nil {
		return err
	}
	streams, err := h.streams()
	if err != nil {
		return err
	}
	if h.store, err = streams.OpenLog(ctx); err != nil {
		return err
	}
	if err := streams.OpenCheckpoints(ctx, h.store); err != nil {
		return err
	}
	if err := streams.OpenOutput(ctx, h.store, -1, h.cfg.OutputBytes); err != nil {
		return err
	}
	if h.streamLog, err = engine.NewStreamLog(h.log, streams.Names); err != nil {
		return err
	}
	h.checkpoints, err = engine.NewStreamCheckpoints(h.core, streams.Names, h.cfg.Logger)
	return err
}

func (h *Host) streams() (*engine.Streams, error) {
	core, err := jetstream.New(h.core)
	if err != nil {
		return nil, err
	}
	view, err := jetstream.New(h.view)
	return &engine.Streams{Core: core, View: view, Names: bus.Names{Namespace: h.cfg.Namespace}}, err
}

// openEngine recovers the state and starts to evaluate.
func (h *Host) openEngine(ctx context.Context) error {
	id, err := uuid.Parse(h.store)
	if err != nil {
		return bus.NewError(bus.CodeStore, "the log names its store %q, which is no id", h.store)
	}
	js, err := jetstream.New(h.core)
	if err != nil {
		return err
	}
	h.output = lwj.NewOutputStore(js, bus.Names{Namespace: h.cfg.Namespace})
	shown, err := h.shown()
	if err != nil {
		return err
	}
	h.engine, err = engine.Open(ctx, engine.Config{
		Namespace: h.cfg.Namespace, Log: h.streamLog, Checkpoints: h.checkpoints,
		Projector: engine.ProjectInto(h.view, h.store, 1, h.cfg.Logger), Publish: engine.NewEvents(h.core, h.server.Wanted, h.cfg.Logger),
		StoreID: id[:], Quota: h.cfg.Quota, Shown: shown,
		Layers:  []engine.Layer{kvbucket.Layer(), atomic.Layer(), atomic.LockLayer(), fifo.Layer(), lwj.Layer(), h.output.Layer(), h.layer()},
		OnDoubt: h.guard.doubt, Logger: h.cfg.Logger,
	})
	if err == nil {
		h.guard.start(h.engine)
	}
	return err
}

// shown is what the views have shown, where the log may have lost its end.
func (h *Host) shown() (func(context.Context) (uint64, error), error) {
	if h.cfg.Durability != embedded.Fast {
		return nil, nil
	}
	streams, err := h.streams()
	return func(ctx context.Context) (uint64, error) { return streams.Shown(ctx, h.view, h.store) }, err
}

// publish tells other processes where the host is.
func (h *Host) publish(context.Context) error { return h.lock.Publish(h.server.HostFile(h.store)) }

// Conn returns a connection for callers in this process: requests take the
// same path as those of others, but for the network.
func (h *Host) Conn() (*bus.Conn, error) {
	cfg := h.cfg.Conn
	cfg.NATS, cfg.Direct = h.core, h.engine
	return bus.New(cfg)
}

// URL is the address of the embedded server.
func (h *Host) URL() string { return h.server.URL() }

// Dir is the data directory.
func (h *Host) Dir() string { return h.cfg.Dir }

// Engine is the host's engine, for checks and figures.
func (h *Host) Engine() *engine.Engine { return h.engine }

// View returns a new connection to the account of the views, where plain NATS
// KV clients find the projected buckets. The caller closes it.
func (h *Host) View() (*nats.Conn, error) { return h.server.View() }

// Failed is closed when the host's engine stopped by itself; Err says why.
func (h *Host) Failed() <-chan struct{} { return h.engine.Failed() }

// Err is why the engine stopped by itself, or nil.
func (h *Host) Err() error { return h.engine.Err() }

// Close ends the host: the API first, so that clients ask on elsewhere, then
// the engine and the server; the lock last, so that nobody opens the store
// before it is closed. It may be called more than once.
func (h *Host) Close() error {
	h.once.Do(func() { h.err = h.close() })
	return h.err
}

func (h *Host) close() error {
	var errs []error
	add := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", what, err))
		}
	}
	if h.api != nil {
		add("API", h.api.Stop())
	}
	if h.disk != nil {
		h.disk.Close()
	}
	if h.engine != nil && h.engine.Err() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeFlush)
		if err := h.engine.Flush(ctx); err != nil { // the next host brings the views up to date
			h.cfg.Logger.Debug("the views are behind", "error", err)
		}
		cancel()
	}
	if h.engine != nil {
		add("engine", h.engine.Close())
	}
	if h.guard != nil {
		h.guard.close()
	}
	if h.output != nil {
		h.output.Close()
	}
	if h.checkpoints != nil {
		add("checkpoints", h.checkpoints.Close())
	}
	if h.streamLog != nil {
		add("log", h.streamLog.Close())
	}
	if h.server != nil {
		h.server.Shutdown()
	}
	add("lock", h.lock.Close())
	return errors.Join(errs...)
}
