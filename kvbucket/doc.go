// Package kvbucket is versioned keys: ordered buckets of keys and values in
// which every change has a revision, the past can be read, what changes can be
// followed, and any number of keys change together.
//
// # Types
//
//   - [Bucket] reads ([Bucket.Get], [Bucket.List], [Bucket.Keys], [Bucket.Count],
//     [Bucket.Exists], [Bucket.History]), writes ([Bucket.Put], [Bucket.Create],
//     [Bucket.SetDefault], [Bucket.Swap], [Bucket.PutAll], [Bucket.Update]) and
//     removes ([Bucket.Delete], [Bucket.Pop], [Bucket.DeleteRange],
//     [Bucket.PopRange], [Bucket.Clear]). [Bucket.Wait], [Bucket.WaitAny] and
//     [Bucket.WaitAll] wait.
//   - [Txn] is conditions and operations that [Bucket.Commit] evaluates as one:
//     a [Cond] asks, an [Op] does what the method of its name does, a [Result]
//     is what came of it.
//   - [Entry] is one version of one key.
//   - [Range] is a span of keys; [Prefix] and [Between] make one.
//   - [Owner] is who keys belong to; [OwnerOption] says whose a key is, or how
//     long it lives. [Session] keeps an owner alive.
//   - [Watch] follows keys, prefixes and ranges; [Event] is what it returns.
//   - [Mirror] is a copy in memory; [Snapshot] is one of its states.
//   - [CreateBucket], [Buckets], [Bucket.Info] and [RemoveBucket] are about
//     buckets as such.
//   - [Revision] and [WaitRevision] are about the namespace as a whole.
//   - [Layer] is the other face: what a host answers.
//
// # Ordering and concurrency
//
// A revision numbers the transactions of a namespace: all its buckets have one
// order, and a transaction may be over any of them. Transactions are strictly
// serializable: one that returned is seen by all that begin later, from any
// client, and none sees half of another or a key that came while it read a
// range (TestTransactionsThroughKills; TestOperations, "bank"). A list is at
// one revision, also when it takes many requests (TestBucket, "a list does not
// drift"). [At] reads everything as it was at a revision. A watch returns
// changes in commit order, none lost and none twice, a transaction's together,
// and says once that it has caught up (TestBucket, K16, K17, K21; TestFanOut,
// TestWatchesThroughKills). [Watch.Add] and [Watch.Remove] change what it
// follows as it runs (TestAddUnderFire). A wait misses nothing that comes after
// the call, be it there for a moment only (TestWaitMissesNothing).
//
// Each write is a transaction of one operation, evaluated by the same code
// (TestOperationsModel). A transaction changes a key at most once, to what it
// wrote last; its results show each write (TestOperations, "one change per
// key").
//
// Everything is safe for concurrent use but [Watch.Next], which one goroutine
// calls at a time.
//
// # Owners
//
// A key belongs to an owner, by its id and the token of its registration, until
// it is given to another, freed, or deleted. When the owner ends, the keys that
// it owns then are deleted, no others (TestOperations, K08, K09, K18, K19). A
// write under an owner that is not registered is [ErrNoOwner], one under a
// token of the past [ErrFenced] (TestOperations, "tokens"). [Registered] fences
// what no owner shows in.
//
// # Failure
//
// A write is executed at most once, however often a connection breaks while
// its answer is awaited (TestK26): what cannot be told is
// [bus.ErrUnknownOutcome]. A refused write changes nothing, and the refusal of
// a condition carries the revision there is; a transaction with one bad
// operation is refused whole (TestOperations, "all or nothing"). Conditions of
// a [Txn] that do not hold are no error. Reads, waits and watches go on when
// the host comes back. The past that is no longer kept is [ErrCompacted], with
// the first revision that works, never a wrong answer (TestBucket, K23).
//
// A host that is short of memory gives up the past of keys before it refuses
// writes. [Bucket.History], and [Bucket.Get] with [At], are then answered from
// the NATS KV bucket that shows the key, as far as what is in memory proves
// what is there (TestK22FromView, TestK23PurgedView, TestK24ForeignPast), and
// within a second; lists, and watches of the past, are not: they are
// ErrCompacted.
//
// # Limits
//
// A key has 1 to [MaxKey] bytes of UTF-8, a value at most [MaxValue] bytes; each
// branch of a [Txn] has at most [MaxOperations] operations, the keys of a
// [Bucket.PutAll] counted; a watch has at most [MaxFilters] filters. A
// transaction must fit a record of the host's log and its results an answer,
// some 8 MiB each, and it changes at most 65,536 keys (TestOperations, "limits",
// "too many keys"). The host keeps the last [DefaultHistory] changes of each
// key, unless the bucket was made with a [BucketConfig] that says otherwise.
package kvbucket
