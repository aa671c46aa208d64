package host

import (
	"context"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

const (
	// doubtsToRestart is how many doubtful writes in a row make the guardian
	// restart a server that says it works.
	doubtsToRestart = 3
	// doubtsApart is how long after another a doubt begins a new row.
	doubtsApart = time.Minute
)

// guardian keeps the store writable: it refuses writes while the disk is full
// and restarts the embedded server after write errors, from which the server
// does not recover by itself.
type guardian struct {
	h      *Host
	doubts chan struct{} // the engine has logged why
	room   chan struct{} // the disk has space again
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	engine *engine.Engine // nil before start
	full   *bus.Error
}

func newGuardian(h *Host) *guardian {
	g := &guardian{h: h, doubts: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// start begins to act for an engine; close ends it and waits.
func (g *guardian) start(e *engine.Engine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.engine = e
	e.Refuse(g.full)
	g.wg.Go(g.run)
}

func (g *guardian) close() {
	g.cancel()
	g.wg.Wait()
}

// doubt is the engine's Config.OnDoubt.
func (g *guardian) doubt(error) {
	select {
	case g.doubts <- struct{}{}:
	default: // one is waiting already
	}
}

// disk is the disk watch's OnChange.
func (g *guardian) disk(full error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.full = nil
	if full != nil {
		g.full = bus.NewError(bus.CodeFull, "%v", full).WithHint("free some space; reads go on meanwhile")
	}
	if g.engine != nil {
		g.engine.Refuse(g.full)
	}
	if full == nil {
		select {
		case g.room <- struct{}{}:
		default:
		}
	}
}

func (g *guardian) run() {
	doubts, last := 0, time.Now()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.room:
			if doubts > 0 || g.h.server.Working() != nil {
				doubts = g.restart()
			}
		case <-g.doubts:
			if time.Since(last) > doubtsApart {
				doubts = 0
			}
			doubts, last = doubts+1, time.Now()
			full := g.h.disk.Check() != nil
			if !full && (doubts >= doubtsToRestart || g.h.server.Working() != nil) {
				doubts = g.restart()
			}
		}
	}
}

// restart restarts the server and tells where it is now. It returns the
// number of doubts that are left.
func (g *guardian) restart() int {
	g.h.cfg.Logger.Warn("the embedded server is restarted after write errors")
	err := g.h.server.Restart(g.ctx)
	if err == nil {
		err = g.h.publish(g.ctx)
	}
	if err != nil && g.ctx.Err() == nil {
		g.h.cfg.Logger.Error("the embedded server cannot be restarted", "error", err)
		return 1
	}
	return 0
}
