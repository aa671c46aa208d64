// Package kvbucket is versioned keys: ordered buckets of keys and values in
// which every change has a revision, the past can be read, and what changes can
// be followed.
//
// # Types
//
//   - [Bucket] reads and writes: [Bucket.Get], [Bucket.List], [Bucket.History],
//     [Bucket.Put], [Bucket.Create], [Bucket.Delete], [Bucket.PutAll],
//     [Bucket.Wait].
//   - [Entry] is one version of one key.
//   - [Range] is a span of keys; [Prefix] and [Between] make one.
//   - [Watch] follows keys, prefixes and ranges; [Event] is what it returns.
//   - [Revision] and [WaitRevision] are about the namespace as a whole.
//   - [Layer] is the other face: what a host answers.
//
// # Ordering and concurrency
//
// A revision numbers the transactions of a namespace: all its buckets have one
// order. A write that returned is seen by every read that begins later, from
// any client; a list is at one revision, also when it takes many requests
// (TestBucket, "a list does not drift"). [At] reads everything as it was at a
// revision. A watch returns changes in commit order, none lost and none twice,
// a transaction's together, and says once that it has caught up
// (TestBucket, K16, K17, K21).
//
// Everything is safe for concurrent use but [Watch.Next], which one goroutine
// calls at a time.
//
// # Failure
//
// A write is executed at most once, however often a connection breaks while
// its answer is awaited (TestK26): what cannot be told is
// [bus.ErrUnknownOutcome]. A refused write changes nothing. Reads, waits and
// watches go on when the host comes back. The past that is no longer kept is
// [ErrCompacted], with the first revision that works, never a wrong answer
// (TestBucket, K23).
//
// # Limits
//
// A key has 1 to [MaxKey] bytes of UTF-8, a value at most [MaxValue] bytes, a
// [Bucket.PutAll] at most [MaxOperations] keys, a watch at most [MaxFilters]
// filters, and a transaction must fit a record of the host's log. The host
// keeps the last 64 changes of each key, unless its layers say otherwise.
package kvbucket
