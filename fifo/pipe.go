package fifo

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Pipe is a pipe of a host. Safe for concurrent use; it has nothing to close.
// It speaks of one pipe, not of a name: when that is removed, everything is
// ErrRemoved, also after another was made under the name (TestPipe, "P07 another
// of that name").
type Pipe struct {
	conn *bus.Conn
	pipeRequest
}

// Info is what a host knows of a pipe.
type Info struct {
	Name    string
	ID      uint64 // the revision that made it
	Created time.Time
	Config  Config

	Ready    int   // items that wait to be read
	InFlight int   // items that were handed out and are not acknowledged
	Dead     int   // dead letters that wait to be read
	Bytes    int64 // of all of these
	Writers  int   // that are open
	Closed   bool  // it takes nothing more

	Put, Acknowledged, Returned, Buried uint64 // items, ever; Returned is hand-backs
}

// Create makes a pipe, or opens one that has the same limits.
//
// Errors: ErrInvalidName; CodeUsage for a limit that cannot be; ErrExists when
// there is one with other limits, which stays as it is (TestPipe, P10); those of
// bus.Conn.Call.
func Create(ctx context.Context, c *bus.Conn, name string, cfg Config) (*Pipe, error) {
	cfg.fill()
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	in := createRequest{
		Name: name, MaxItems: int64(cfg.MaxItems), MaxBytes: cfg.MaxBytes,
		AckWait: cfg.AckWait.Milliseconds(), MaxDeliver: int64(cfg.MaxDeliver),
	}
	if cfg.AckWait == NoAckWait {
		in.AckWait = -1
	}
	var i Info
	if err := c.Call(ctx, verbCreate, &in, &i); err != nil {
		return nil, err
	}
	return &Pipe{c, pipeRequest{name, i.ID}}, nil
}

// Open finds a pipe.
//
// Errors: ErrInvalidName; ErrNotFound; those of bus.Conn.Call.
func Open(ctx context.Context, c *bus.Conn, name string) (*Pipe, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	p := &Pipe{c, pipeRequest{Name: name}}
	i, err := p.Info(ctx)
	if err != nil {
		return nil, err
	}
	p.ID = i.ID
	return p, nil
}

// List returns the pipes of a host by name. It is read in parts: a pipe that
// comes or goes meanwhile may or may not be among them.
//
// Errors: those of bus.Conn.Call.
func List(ctx context.Context, c *bus.Conn) ([]*Info, error) {
	var all []*Info
	for in := (&listRequest{}); ; in.After = all[len(all)-1].Name {
		var a listAnswer
		if err := c.Call(ctx, verbList, in, &a, bus.Read()); err != nil {
			return nil, err
		}
		if all = append(all, a.Pipes...); !a.More || len(a.Pipes) == 0 {
			return all, nil
		}
	}
}

// Name is the pipe's name.
func (p *Pipe) Name() string { return p.pipeRequest.Name }

// Info returns the pipe's limits and what is in it.
//
// Errors: ErrRemoved; those of bus.Conn.Call.
func (p *Pipe) Info(ctx context.Context) (*Info, error) {
	i := new(Info)
	if err := p.conn.Call(ctx, verbInfo, &p.pipeRequest, i, bus.Read()); err != nil {
		return nil, err
	}
	return i, nil
}

// Remove deletes the pipe with everything in it. Whoever is blocked on it gets
// ErrRemoved (TestPipe, P07).
//
// Errors: ErrRemoved when it is gone; those of bus.Conn.Call.
func (p *Pipe) Remove(ctx context.Context) error {
	return p.conn.Call(ctx, verbRemove, &p.pipeRequest, nil)
}

// CloseWriters lets nothing more be put: puts get ErrClosed, those that wait
// too; readers get what is left and then io.EOF. It is done once: closing a
// closed pipe does nothing.
//
// Errors: ErrRemoved; those of bus.Conn.Call.
func (p *Pipe) CloseWriters(ctx context.Context) error {
	return p.conn.Call(ctx, verbClose, &p.pipeRequest, nil)
}

// Put appends an item as soon as there is room. Of those who wait for room the
// first to come is the first to put, and nobody passes him.
//
// Errors: bus.ErrTimeout with the cause when the deadline of ctx passed, the
// cause when ctx was canceled: the item was not put; ErrClosed, ErrRemoved;
// ErrTooLarge; bus.ErrUnknownOutcome when nobody can tell whether it was put,
// but it was at most once; those of bus.Conn.Call.
func (p *Pipe) Put(ctx context.Context, item []byte) error { return p.PutAll(ctx, [][]byte{item}) }

// PutAll is Put for a batch, 1 to MaxBatch items, all of them or none.
//
// Errors: as Put.
func (p *Pipe) PutAll(ctx context.Context, items [][]byte) error {
	return p.put(ctx, &putRequest{Items: items}, true)
}

// TryPut is Put without a wait.
//
// Errors: ErrFull when there is no room, or others wait for it; those of Put.
func (p *Pipe) TryPut(ctx context.Context, item []byte) error {
	return p.TryPutAll(ctx, [][]byte{item})
}

// TryPutAll is PutAll without a wait.
//
// Errors: as TryPut.
func (p *Pipe) TryPutAll(ctx context.Context, items [][]byte) error {
	return p.put(ctx, &putRequest{Items: items}, false)
}

func (p *Pipe) put(ctx context.Context, in *putRequest, wait bool) error {
	if err := checkItems(in.Items); err != nil {
		return err
	}
	in.pipeRequest = p.pipeRequest
	if !wait {
		return p.conn.Call(ctx, verbPut, in, nil)
	}
	in.Call = rand.Uint64()
	w := waiting{pipe: p, verb: verbPut, in: in, not: ErrFull, giveUp: giveUpRequest{pipeRequest: p.pipeRequest, Call: in.Call}}
	return w.do(ctx)
}
