package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/lwjbus/lwjbus/bus"
)

// Errors of the store behind the engine.
var (
	// ErrLostCondition is returned by Log.Append when the server answered that
	// the log's last sequence is another one. It is doubt, not proof: an earlier
	// try of the same record may be the one that is there.
	ErrLostCondition = errors.New("the log's last sequence is another one")

	// ErrNoCheckpoint is returned by Checkpoints.Load when there is no nth
	// newest sealed checkpoint. Its text says which broken ones were passed over.
	ErrNoCheckpoint = errors.New("no sealed checkpoint")

	// ErrHole is returned by Log.Read when a record between the asked sequence
	// and the last one is missing.
	ErrHole = errors.New("the log has a hole")

	// ErrForeignStream is returned when a stream has our name without our mark.
	// Such a stream is never adopted, written or put right.
	ErrForeignStream = errors.New("a stream of that name is not ours")
)

// RefusedError is a definite refusal by the server: the record is not stored
// and never will be. It is a matter of size, bytes, message count or resources.
type RefusedError struct {
	Code   uint16 // the server's error code (nats-server/server/errors.json)
	Reason string // the server's description
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server refuses the record: %s (%d)", e.Reason, e.Code)
}

// Log is the commit log: records in one total order. One writer at a time uses
// it; Append is conditional, so a second writer is impossible by construction.
type Log interface {
	// Append stores data if the log's last sequence is after. It does not block
	// on the server; done is called exactly once, from any goroutine, also when
	// the log is closed.
	//
	// Errors: nil, stored as seq; ErrLostCondition, which is doubt; a
	// *RefusedError, a definite refusal; anything else is doubt.
	Append(after uint64, data []byte, done func(seq uint64, err error))

	// Last returns the last sequence, asked from the stream's leader; 0 for a
	// log that never had a record.
	Last(ctx context.Context) (uint64, error)

	// First returns the first kept sequence; Last+1 when nothing is kept.
	First(ctx context.Context) (uint64, error)

	// Read calls fn for each record from sequence from on, in order, up to and
	// including the one that was last when the call began, and returns that one.
	// from 0 means the first kept. fn owns data; foreign messages come as they
	// are. An error of fn ends the read and is returned as it is.
	//
	// Errors: ErrHole for a missing record, also when from is below First.
	Read(ctx context.Context, from uint64, fn func(seq uint64, data []byte) error) (last uint64, err error)

	// Trim drops the records below seq. The last record always stays.
	Trim(ctx context.Context, seq uint64) error

	// MaxRecord is the most bytes a record may have.
	MaxRecord() int

	// Close ends outstanding appends with doubt and waits for the log's goroutines.
	Close() error
}

// Checkpoints keeps the two newest sealed checkpoints.
type Checkpoints interface {
	// Save stores one checkpoint: write calls chunk with its pieces in order; a
	// piece is copied before chunk returns and may have any size. The whole is
	// never held in memory. It is sealed, and seen by Load, only when write
	// returned nil and every byte is stored; then older ones go, but for one.
	// One Save at a time.
	Save(ctx context.Context, write func(chunk func([]byte) error) error) error

	// Load hands the nth newest sealed checkpoint (0 is the newest) to read,
	// piece by piece in the order of Save. Pieces are cut as Save stored them,
	// not as write handed them over. read owns its piece.
	//
	// The hash is known only at the end: what read got counts only when Load
	// returns nil. ErrNoCheckpoint when there is no nth; an error of read as it
	// is; a CodeStore error when the checkpoint proves broken while it is read:
	// ask for the next one then.
	Load(ctx context.Context, nth int, read func(chunk []byte) error) error

	// Close releases what the checkpoints hold on the connection.
	Close() error
}

// Shower is a Projector that can be asked what it shows of a key's past. What
// it answers may lack anything and hold anything: nothing of it is believed that
// the state does not prove. Both are safe for concurrent use.
type Shower interface {
	// Shown returns the changes of a key that are shown, without their values, by
	// revision. Those of which two different ones are shown are left out.
	Shown(ctx context.Context, bucket, key string) (map[uint64]*Showing, error)

	// Read returns a change that Shown returned, with its value.
	//
	// Errors: jetstream.ErrMsgNotFound when it has gone meanwhile, also when
	// another one stands in its place.
	Read(ctx context.Context, s *Showing) (*bus.Change, error)
}

// Projector shows committed changes in KV buckets. It is a view: nothing in it
// is ever believed against the log.
type Projector interface {
	// Start begins to project: first what the views lack of the state, then what
	// is enqueued. What was enqueued before is kept.
	Start(ctx context.Context) error

	// Enqueue hands over all changes of the log record seq, in commit order; it
	// never blocks. Records are enqueued in the order of their sequences;
	// sequences of records without changes may be left out or enqueued with none.
	// What a bucket shows already is skipped.
	Enqueue(seq uint64, changes []*bus.Change)

	// Cursor is the highest enqueued sequence such that it and everything before
	// it is acknowledged by the buckets.
	Cursor() uint64

	// Lag is what is enqueued and not yet acknowledged.
	Lag() (changes int, bytes int64)

	// Flush returns when everything enqueued before the call is in the buckets.
	Flush(ctx context.Context) error

	// Verify compares state and buckets and puts differences right. It runs
	// beside the projection and returns when all buckets have been compared.
	Verify(ctx context.Context) error

	// Close ends the projection at once, without a flush, and waits for it.
	Close() error
}
