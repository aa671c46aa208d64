// Package engine is the heart of lwjbus: one goroutine that turns everything
// callers ask in one moment into one record of a commit log, and a versioned,
// ordered key space that is the fold of that log. It knows keys, no job.
//
// # How a write goes
//
// Submit decodes a request and puts it in a bounded queue. The loop (loop.go)
// takes what waits and evaluates it in order against the head (state.go)
// through a transaction (tx.go); a failed one is undone whole. What changed
// something joins the open round (round.go). A round is published to the log
// on condition that the log ends where the engine thinks it ends; one is in
// flight, the next grows meanwhile: that is the group commit. On the
// acknowledgement the round's snapshot is revealed, its callers are answered,
// its events published (publish.go) and its changes handed to the projection.
//
// # Order, visibility
//
// Transactions are numbered by the revision, without holes within one
// incarnation. Snapshot shows acknowledged transactions only, each whole, and
// never goes back. Every answer, refusals too, waits for the newest record
// that its evaluation could see (TestAnswersWait).
//
// # Doubt
//
// An append that fails or times out proves nothing. The engine then folds the
// log to its end and appends an epoch record behind it (settle.go): what is
// found was stored, what is not found below that record is dead and evaluated
// again (TestDoubt). A request that carries an id is answered once, however
// often it is sent, also by the next engine (once.go, TestOnce).
//
// # Owners
//
// A key may be owned by a registration, under its fencing token, or by
// something that a layer says is alive, a job. What an owner owns when it ends,
// and nothing else, is deleted in the transaction that ends it
// (TestOwnerEndsWithWhatItOwnsNow); more than a turn of the loop may take goes
// in chunks, which a new engine resumes (TestEndInChunks, ending.go). A TTL is
// a lease of its own (ttl.go, TestTTLKeyLifecycles). Leases are engine time: a
// start gives each its full TTL again, and downtime does not count.
//
// # Buckets
//
// A bucket comes with its first key, or is declared with its history; a layer
// declares its own in code. What is kept follows from the log and the layers
// alone (buckets.go, TestDeclareBucket). A dropped bucket leaves the revision
// of its drop: reads of its past are compacted (TestDropBucket). The past of a
// transient bucket is compacted as soon as one of its keys goes
// (TestPastOfTransient).
//
// # Failure
//
//	the log answers late, or not      requests wait; Config.OnDoubt is called
//	the log refuses a record           its callers get CodeFull, nothing changed
//	another engine took the log        the engine stops: errDeposed
//	the log is broken or foreign       Open fails, or the engine stops: CodeStore
//	the log lost records               Open begins a new incarnation, 2^20 revisions on
//	the queue is full                  CodeOverloaded, at once
//	the quota is reached               past versions go first, then CodeFull
//	a transaction over MaxChanges      CodeTooLarge, at once, nothing changed
//
// # Concurrency
//
// Submit, Call, View and Snapshot are safe for concurrent use. Procedures run
// in the loop and must not block. Reads run in the caller's goroutine on a
// snapshot that never changes. Close waits for every goroutine.
package engine
