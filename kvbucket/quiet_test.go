package kvbucket_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// quiet is an engine without a server, for tests in fake time, and the way of
// its clients to it.
type quiet struct {
	t      *testing.T
	log    *enginetest.MemLog
	engine atomic.Pointer[engine.Engine]
	conn   *bus.Conn
	calls  atomic.Int64
	cut    atomic.Bool                       // no request arrives
	hold   atomic.Pointer[func(verb string)] // called with each request, whatever its context says
	late   atomic.Pointer[func(verb string)] // called with each answer
}

// inQuiet runs a test in fake time.
func inQuiet(t *testing.T, test func(q *quiet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &quiet{t: t, log: &enginetest.MemLog{}}
		q.open()
		var err error
		q.conn, err = bus.New(bus.Config{Direct: q})
		check(t, err)
		test(q)
		check(t, q.conn.Close())
		check(t, q.engine.Load().Close())
	})
}

func (q *quiet) open() {
	q.t.Helper()
	e, err := engine.Open(q.t.Context(), engine.Config{
		Log: q.log, StoreID: make([]byte, 16), Layers: []engine.Layer{kvbucket.Layer()}, Logger: slog.New(slog.DiscardHandler),
	})
	check(q.t, err)
	q.engine.Store(e)
}

func (q *quiet) restart() {
	q.t.Helper()
	check(q.t, q.engine.Load().Close())
	q.open()
}

// Call asks the engine of the moment.
func (q *quiet) Call(ctx context.Context, user, verb string, req *bus.Request) *bus.Response {
	q.calls.Add(1)
	if hold := q.hold.Load(); hold != nil {
		(*hold)(verb)
	}
	if q.cut.Load() {
		return nil
	}
	res := q.engine.Load().Call(ctx, user, verb, req)
	if late := q.late.Load(); late != nil {
		(*late)(verb)
	}
	return res
}

// pause stops whoever makes a request of the verb, as SIGSTOP would, until
// resume.
func (q *quiet) pause(verb string) (resume func()) {
	stopped := make(chan struct{})
	hold := func(v string) {
		if v == verb {
			<-stopped
		}
	}
	q.hold.Store(&hold)
	return func() {
		q.hold.Store(nil)
		close(stopped)
	}
}

// ctx ends with the test; it belongs to its fake time.
func (q *quiet) ctx() context.Context { return q.t.Context() }

func (q *quiet) bucket() bucket {
	b, err := kvbucket.Open(q.conn, "test")
	check(q.t, err)
	return bucket{b, q.t, q.ctx(), q.conn}
}

// registered tells whether the engine has an owner.
func (q *quiet) registered(o kvbucket.Owner) bool {
	c := q.engine.Load().Snapshot().Get(engine.OwnerBucket, o.ID)
	return c != nil && c.Created == o.Token
}

// sleep lets fake time pass, and whatever is due in it happen.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
