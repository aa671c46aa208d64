package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// TestFullLogRefusesEpoch: a log that takes not even an epoch record makes
// writes fail with CodeFull at once, is no reason to restart the server, and
// works again when it has room.
func TestFullLogRefusesEpoch(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var doubts atomic.Int64
	refused := make(chan struct{}, 1)
	b := newBed(t, func(c *engine.Config) { c.OnDoubt = func(error) { doubts.Add(1) } })
	b.must("put", kvReq{Key: "k", Value: "1"})
	lose := true
	b.log.Fail = func(uint64, []byte) enginetest.Fault {
		switch {
		case lose:
			lose = false
			full.Store(true)
			return enginetest.LoseWrite
		case full.Load():
			select {
			case refused <- struct{}{}:
			default:
			}
			return enginetest.Refuse
		}
		return enginetest.None
	}
	first := make(chan *bus.Error, 1)
	go func() { _, err := b.call("put", kvReq{Key: "k", Value: "2"}); first <- err }()
	<-refused // the second one: what stuck says has been said after the first
	<-refused
	if _, err := b.call("put", kvReq{Key: "k", Value: "3"}); err == nil || err.Code != bus.CodeFull {
		t.Errorf("want full, got %v", err)
	}
	full.Store(false)
	if err := <-first; err != nil {
		t.Errorf("the write that met the full log: %v", err)
	}
	if a, err := b.call("put", kvReq{Key: "k", Value: "4"}); err != nil || a.Before != "2" {
		t.Errorf("want 2 before, got %+v (%v)", a, err)
	}
	if n := doubts.Load(); n != 1 {
		t.Errorf("want the one doubt of the lost write, got %d", n)
	}
}

// TestEmptyLogBesideBrokenCheckpoint: such a store is refused, not begun anew.
func TestEmptyLogBesideBrokenCheckpoint(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *engine.Config) { c.CheckpointAfter = 1 })
	b.must("put", kvReq{Key: "k"})
	<-b.cps.Saved
	b.broken = true
	b.e.Close()
	b.log.Truncate(0)
	b.cps.Spoil()
	if _, err := engine.Open(context.Background(), b.cfg); bus.CodeOf(err) != bus.CodeStore {
		t.Fatalf("want a store error, got %v", err)
	}
}
