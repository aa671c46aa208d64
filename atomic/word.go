package atomic

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Word is a signed 64-bit integer at a key of a bucket, stored as decimal text:
// any tool that reads the bucket reads it. A key that does not exist counts as
// 0, unless MustExist says otherwise. Safe for concurrent use.
//
// Each operation is evaluated by the host, in one order with everything else:
// there is no loop, and nobody is refused because somebody else was faster. It
// is executed at most once, however often a connection breaks while its answer
// is awaited (TestA07). An operation without a condition always writes, also
// when the word stays the same, but for Load and for Remove where there is
// nothing; the key keeps its owner (TestOwner).
//
// Errors of every operation, which then changed nothing: ErrOverflow when the
// result has no 64 bits, ErrNotWord when the key holds something else,
// ErrNotFound with MustExist, kvbucket.ErrDenied in a bucket of a layer,
// bus.ErrUnknownOutcome when nobody can tell whether it was executed, those of
// bus.Conn.Call.
type Word struct {
	conn        *bus.Conn
	bucket, key string
	mustExist   bool
}

// WordOption changes a Word.
type WordOption func(*Word)

// MustExist has operations on a key that does not exist fail with ErrNotFound.
func MustExist() WordOption { return func(w *Word) { w.mustExist = true } }

// Open returns the word at a key; it sends nothing.
//
// Errors: kvbucket.ErrInvalidBucket; kvbucket.ErrEmptyKey,
// kvbucket.ErrInvalidKey; kvbucket.ErrDenied for a bucket that a layer keeps.
func Open(c *bus.Conn, bucket, key string, opts ...WordOption) (*Word, error) {
	if err := kvbucket.Writable()(bucket, key); err != nil {
		return nil, err
	}
	w := &Word{conn: c, bucket: bucket, key: key}
	for _, set := range opts {
		set(w)
	}
	return w, nil
}

// Result is what an operation found and left.
type Result struct {
	Before, After int64
	Met           bool // its condition; true where there is none
	Existed       bool
	Revision      uint64 // of the write; of the namespace when nothing was written
}

// Do is the operation op with the operands that it takes: none ([Load],
// [Remove]), x alone, or x and y of [CompareAndSwap] (old, new) and of the
// conditional adds (compared, added).
func (w *Word) Do(ctx context.Context, op Op, x, y int64) (Result, error) {
	req := &wordRequest{Bucket: w.bucket, Key: w.key, Op: op, X: x, Y: y, MustExist: w.mustExist}
	var a wordAnswer
	if op == Load {
		err := w.conn.Call(ctx, verbLoad, req, &a, bus.Read())
		return Result(a), err
	}
	err := w.conn.Call(ctx, verbWord, req, &a)
	return Result(a), err
}

// Load returns the word.
func (w *Word) Load(ctx context.Context) (int64, error) { return w.before(ctx, Load, 0) }

// Remove deletes the key and returns the value before; where there is none, it
// does nothing.
func (w *Word) Remove(ctx context.Context) (int64, error) { return w.before(ctx, Remove, 0) }

// before is an operation without a condition.
func (w *Word) before(ctx context.Context, op Op, x int64) (int64, error) {
	r, err := w.Do(ctx, op, x, 0)
	return r.Before, err
}

// Store sets the word and returns the value before.
func (w *Word) Store(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Store, n) }

// Exchange is Store under its other name.
func (w *Word) Exchange(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Store, n) }

// Add adds n and returns the value before.
func (w *Word) Add(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Add, n) }

// Sub subtracts n and returns the value before.
func (w *Word) Sub(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Sub, n) }

// And keeps the bits that n has, too, and returns the value before.
func (w *Word) And(ctx context.Context, n int64) (int64, error) { return w.before(ctx, And, n) }

// Or sets the bits of n and returns the value before.
func (w *Word) Or(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Or, n) }

// Xor flips the bits of n and returns the value before.
func (w *Word) Xor(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Xor, n) }

// Min sets the word to the lower of it and n and returns the value before.
func (w *Word) Min(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Min, n) }

// Max sets the word to the higher of it and n and returns the value before.
func (w *Word) Max(ctx context.Context, n int64) (int64, error) { return w.before(ctx, Max, n) }

// CompareAndSwap sets the word to next if it is old. It returns the value before
// and whether it did.
func (w *Word) CompareAndSwap(ctx context.Context, old, next int64) (before int64, swapped bool, err error) {
	r, err := w.Do(ctx, CompareAndSwap, old, next)
	return r.Before, r.Met, err
}

// AddIf adds y if the word compares with x as op says: one of AddIfLess and its
// like. It returns the value before and whether it did.
func (w *Word) AddIf(ctx context.Context, op Op, x, y int64) (before int64, met bool, err error) {
	if !op.adds() {
		return 0, false, bus.NewError(bus.CodeUsage, "%s is no conditional add", op)
	}
	r, err := w.Do(ctx, op, x, y)
	return r.Before, r.Met, err
}
