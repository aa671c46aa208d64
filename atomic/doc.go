// Package atomic is what processes agree by: words, which are signed 64-bit
// integers at keys, with operations that many callers may do at once; and, for
// sessions, locks, semaphores, barriers and elections.
//
// # Types
//
//   - [Word] has the operations, each of which returns the value before.
//   - [Op] names an operation; [Word.Do] does any of them.
//   - [Lock], exclusive or shared, and [Semaphore] give a [Grant], which has a
//     fencing token.
//   - [Barrier] opens when all are there, [DoubleBarrier] is left together, too.
//   - [Election] has one leader at a time, which proclaims a value.
//   - [Layer] and [LockLayer] are the other face: what a host answers.
//
// # Ordering and concurrency
//
// Words are linearizable (TestWordLinear): an operation that returned is seen
// by everything that begins later, in the order of all writes of the namespace.
// The host evaluates an operation where the word is, so contention costs
// nothing but its turn: all that callers ask in one moment is one record of the
// log. Everything is safe for concurrent use.
//
// Who waits stands in a line, in the order of the calls; the line is in the log
// (TestLockRestart). What is released goes to the next in the same transaction,
// and wakes it alone. No two hold what one may hold, and nobody is forgotten
// (TestLockModel, TestLockLinear).
//
// # Sessions and fences
//
// What is granted, and a place in line, belongs to a kvbucket.Session and ends
// with it, in the transaction that ends the session (TestLockEnds). A holder
// that was paused beyond its lease cannot know that it lost: what it writes on
// the condition Grant.Held is refused (TestA10).
//
// # Failure
//
// An operation on a word is executed at most once (TestA07, TestA08); one that
// fails changed nothing. What cannot be told is bus.ErrUnknownOutcome.
//
//	the holder is killed             the next has it when the lease ends    TestLockKilled
//	a waiter gives up                its place goes, others move up         TestA09
//	a waiter's session ends          it gets ErrNoOwner, not the lock       TestA09
//	the answer to a call is lost     what it led to is taken back           TestLockLostAnswer
//	the host restarts, or another    the line stays as it is                TestLockRestart,
//	  takes over                                                            TestLockTakeover
//
// # Limits
//
// Words are signed, of 64 bits; a result beyond them is ErrOverflow. Keys and
// buckets have the limits of package kvbucket. The rest: MaxName, MaxSlots,
// MaxParties, MaxProclamation, MaxWaiting. More than 1,024 readers that are let
// in at once come in groups, 0.1 s apart (TestLockMany).
package atomic
