// Package bus is how a program talks to a host of lwjbus: a connection, calls
// that are executed once, and feeds of changes without gaps. It knows keys and
// changes, no job, and links no server.
//
// # Types
//
//   - [Conn] is a connection: [New] over a NATS connection or to a host in the
//     same process, [DialLocal] to the host of a data directory.
//   - [Conn.Call] asks the host to do a verb. [Request] and [Response] are the
//     envelopes; bodies are msgpack, see [Marshal] and [Unmarshal].
//   - [Conn.Follow] returns a [Follower], which reads the [Change]s of a bucket
//     or of a key, a transaction at a time.
//   - [Names] spells every subject; [EscapeKey] makes any key fit for one.
//   - [Clock] is the Lamport clock that requests and changes carry.
//   - [Error] is a refusal with its [Code].
//
// # Ordering and concurrency
//
// Everything is safe for concurrent use. Calls of one goroutine are in order,
// as each waits for its answer; calls of several are not. A follower returns
// changes in commit order, no gap, none twice, transactions whole, and one mark
// when it has caught up (TestFollowerModel, TestFollowOverCutConnections).
// Feeds are plain messages that may be lost: each says which revision came
// before it, and whatever does not join on is read again from the host. A lost
// last message is noticed when the follower has been quiet, within 5 s
// (TestFollowFindsLostLastMessage).
//
// Two rules bind the host. A transaction changes one key at most once where
// followers of single keys are served, and is never split over two feed
// messages or pages: a round too large for a message is announced by a [Feed]
// without changes whose Previous is its last revision, which makes followers
// read it.
//
// # Failure
//
// A call is tried again, with the same request id, until its time is over; the
// host executes an id once. What is left in doubt says so: [ErrUnknownOutcome].
// A connection of [DialLocal] looks for the host for as long as it is open,
// wherever it comes up again; it believes only the certificate in the host
// file, and says nothing to others (TestDialLocalTellsStrangerNothing).
// Nothing is sent later than its caller waits for it. A store that has lost
// records begins a new incarnation, and followers end with [ErrCompacted].
// Unmarshal is safe on any bytes (FuzzUnmarshal).
//
// # Limits
//
// [MaxMessage], [MaxDepth] and [MaxElements] bound a message, [MaxWait] how
// long a host holds a request, FollowConfig.MaxEvents and MaxBytes what a
// follower buffers; beyond them it reads from the host at the reader's pace.
//
// # Goroutines
//
// A Conn has one, which watches the state of the NATS connection, and a
// Follower has its subscription's; Close waits for both. Reading is done in
// [Follower.Next] itself.
package bus
