// Package atomic is words: signed 64-bit integers at keys, with operations
// that many callers may do at once.
//
// # Types
//
//   - [Word] has the operations, each of which returns the value before.
//   - [Op] names an operation; [Word.Do] does any of them.
//   - [Layer] is the other face: what a host answers.
//
// # Ordering and concurrency
//
// Words are linearizable (TestWordLinear): an operation that returned is seen
// by everything that begins later, in the order of all writes of the namespace.
// The host evaluates an operation where the word is, so contention costs
// nothing but its turn: all that callers ask in one moment is one record of the
// log. Everything is safe for concurrent use.
//
// # Failure
//
// An operation is executed at most once (TestA07, TestA08); one that fails
// changed nothing. What cannot be told is bus.ErrUnknownOutcome.
//
// # Limits
//
// Words are signed, of 64 bits; a result beyond them is ErrOverflow. Keys and
// buckets have the limits of package kvbucket.
package atomic
