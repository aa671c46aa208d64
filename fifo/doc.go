// Package fifo is named pipes, after mkfifo(3): any number of producers append
// items, any number of consumers pull them, they need not exist at the same
// time, and each item goes to one of them.
//
// # Types
//
//   - [Pipe] is a pipe: [Create] makes it, with its limits [Config], [Open] finds
//     it, [List] lists all. It puts ([Pipe.Put], [Pipe.PutAll], [Pipe.TryPut]).
//   - [Writer] is a producer that is registered: readers can wait for the last of
//     them to close.
//   - [Reader] is a consumer: [Reader.Get], [Reader.GetN], [Reader.TryGet].
//     [Pipe.Dead] opens one of the dead letters.
//   - [Item] is what a reader holds until [Item.Ack] or [Item.Nak].
//   - [StreamWriter] and [StreamReader] make a pipe one of package io, in bytes or
//     in lines: see [Framing].
//   - [Layer] is the other face: what a host answers.
//
// # Ordering and concurrency
//
// Items are handed out in the order in which they were put (TestPipe, P02), and
// a pipe is linearizable (TestPipeLinear). What is handed back goes to the front,
// in its order (TestPipe, P04). Puts and gets wait at the host, first come, first
// served: nobody polls, no wake-up is lost, and a large batch that waits for room
// is not passed by smaller ones (TestPipe, "a batch that waits is not passed").
// Everything is safe for concurrent use, but streams.
//
// # Delivery
//
// Each item is in one reader's hands at a time. It is gone once that reader has
// acknowledged it, and goes to another when the reader says no, does not
// acknowledge it within [Config.AckWait], or its session ends: at least once
// (TestPipe, P04; TestAckWait; TestSoak). With [AutoAck] it is at most once.
// After [Config.MaxDeliver] times an item goes to the dead letters (TestPipe,
// P05), which are read like the pipe; until then they count against its bounds,
// so that none is ever thrown away. A put is executed at most once, however often
// a connection breaks while its answer is awaited (TestPutOnce), and a batch is
// put as a whole or not.
//
// # The end
//
// A pipe that is closed by [Pipe.CloseWriters] takes nothing more. Its readers
// get what is left; io.EOF comes when every item is acknowledged, but for those
// that the reader itself holds, since what another holds may come back. With
// [UntilWritersClose] it comes likewise when the last of the pipe's writers has
// closed, or its lease has ended (TestPipe, P06; TestWriterLease). Readers that
// collect items and acknowledge them only at the end wait for each other, until
// the time of one passes. A pipe that is removed ends everything that waits for
// it with [ErrRemoved] (TestPipe, P07).
//
// # Failure
//
// What was acknowledged as put is there after restarts, and what was handed out
// stays so (TestP08). Calls go on at the next host. A call that waits and whose
// context ends learns from the host whether it was done; where no host answers,
// a put is bus.ErrUnknownOutcome, and what a get was handed goes back with the
// session or when its time passes.
//
// # Limits
//
// A name has 1 to [MaxName] bytes of UTF-8 without control characters, an item
// at most [MaxItem] bytes, also none; a batch at most [MaxBatch] items and
// [MaxBatchBytes]. Pipes are in the host's memory and its log, and in no NATS
// bucket. One host holds 65,536 calls that wait, of all kinds.
package fifo
