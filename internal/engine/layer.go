package engine

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Bucket declares how a bucket is kept.
type Bucket struct {
	Name      string
	History   int  // changes kept per key, the newest included. Default: DefaultHistory.
	Transient bool // no tombstones, no projection: for things that come and go
	ReadOnly  bool // users write it only through the layer's own procedures
	Settles   bool // its layer settles what an owner leaves: the engine deletes nothing there
}

// A Layer is what a package adds to the engine: the verbs it answers and the
// buckets it owns.
type Layer struct {
	Name       string
	Buckets    []Bucket
	Procedures []Procedure
	Reads      []Read
	// Subject names the single event of a change in the layer's buckets; ""
	// sends none. Nil: bus.Names.Key.
	Subject func(n bus.Names, c *bus.Change) string
	// OwnerEnded settles what belongs to an owner that is gone, at most limit
	// keys in this transaction, and tells whether anything is left.
	OwnerEnded func(tx *Tx, owner string, token uint64, limit int) (more bool)
	// Owner tells the fencing token of an owner that is no registration, such as
	// a job, or false where id is none, or none any more. The token stays the
	// same as long as the owner lives; its end calls Tx.EndOwned. Such ids cannot
	// be registered: see RegisterOwner.
	Owner func(r Reader, id string) (token uint64, ok bool)
	// Timer is called for each timer of the layer that is due: see Tx.SetTimer.
	Timer func(tx *Tx, id string) error
}

// Reader is what a transaction and a view have in common.
type Reader interface {
	Get(bucket, key string) *bus.Change
}

// Procedure is a verb that may write. Run is deterministic: its time is
// tx.Now, and it does no I/O. An error undoes everything it did.
type Procedure struct {
	Verb    string
	Reserve bool // may use the last 5 % of the quota: it ends or frees something
	// Decode checks a request before it waits in the queue.
	Decode func(body []byte) (any, error)
	Run    func(tx *Tx, in any) (out any, err error)
	// Reveal makes the answer that is sent from the one that Run gave, once what
	// Run wrote is stored, and again each time that the request is repeated. v is
	// of that moment: what Run wrote may have changed since. It is for answers
	// that speak of large values: the log and the once table keep that of Run.
	// Nil: the answer is Run's.
	Reveal func(v *View, kept []byte) (out any, err error)
}

// Read is a verb that only reads a snapshot.
type Read struct {
	Verb  string
	Waits bool // it may wait: it runs in a goroutine of its own
	Run   func(ctx context.Context, v *View, body []byte) (out any, err error)
}

// Later is the result of a read that finds that it has to wait for something
// other than the state. The engine calls it in a goroutine of its own, for at
// most MaxLater; it answers what it has when ctx ends.
type Later func(ctx context.Context) (out any, err error)

// Write makes a Procedure of a typed function. check may be nil.
func Write[In any](verb string, check func(*In) error, run func(tx *Tx, in *In) (any, error)) Procedure {
	return Procedure{
		Verb:   verb,
		Decode: func(body []byte) (any, error) { return decodeRequest(verb, body, check) },
		Run:    func(tx *Tx, in any) (any, error) { return run(tx, in.(*In)) },
	}
}

// ReadOf makes a Read of a typed function. check may be nil.
func ReadOf[In any](verb string, check func(*In) error, run func(v *View, in *In) (any, error)) Read {
	return Read{Verb: verb, Run: func(_ context.Context, v *View, body []byte) (any, error) {
		in, err := decodeRequest(verb, body, check)
		if err != nil {
			return nil, err
		}
		return run(v, in)
	}}
}

// WaitOf makes a Read that waits. ctx ends when the caller's patience does;
// the function then answers what it has.
func WaitOf[In any](verb string, check func(*In) error, run func(ctx context.Context, v *View, in *In) (any, error)) Read {
	return Read{Verb: verb, Waits: true, Run: func(ctx context.Context, v *View, body []byte) (any, error) {
		in, err := decodeRequest(verb, body, check)
		if err != nil {
			return nil, err
		}
		return run(ctx, v, in)
	}}
}

func decodeRequest[In any](verb string, body []byte, check func(*In) error) (*In, error) {
	in := new(In)
	if err := bus.Unmarshal(body, in); err != nil {
		return nil, bus.NewError(bus.CodeMalformed, "%s: the request cannot be read: %v", verb, err)
	}
	if check == nil {
		return in, nil
	}
	return in, check(in)
}
