// Package embedded runs the NATS server of a local host inside the process,
// and decides which process that is. It is the only package that links
// nats-server: a program that talks to a host, and is none, does not import it.
//
// TryLock (or WaitLock) gives a process the right to host a data directory,
// Start runs the server on it, Lock.Publish tells the others where, and
// WatchDisk tells early when its disk is full:
//
//	lock, err := embedded.TryLock(dir)                           // ErrLocked: join with bus.DialLocal
//	server, err := embedded.Start(ctx, embedded.Config{Dir: dir})
//	err = lock.Publish(server.HostFile(store))                   // others join now
//	…
//	server.Shutdown()
//	err = lock.Close()                                           // the next one takes over
//
// # Accounts
//
// Clients never touch the streams. Subject permissions inside one account do
// not keep them out (a reply subject, a header or a consumer goes around
// them), so the boundary is between accounts:
//
//	CORE  the log, checkpoints, output. Only connections of Core: their key is
//	      made at the start, kept in memory, and good in this process only.
//	VIEW  the projected buckets, which can be made again from the log. The host,
//	      by View, and the user whose key is view.nk, for nats tools: reads only.
//	CLI   all clients, as the user "local" (key local.nk). No JetStream. They
//	      request <ns>.api.v1.local.> and $SRV.>, and follow <ns>.state.>,
//	      event.>, kv.>, ctl.>, feed.> and engine; nothing else. The host
//	      hears and answers them by Front, with a key like that of Core.
//	SYS   nobody.
//
// A client may name any subject as the reply of a request; an answer reaches
// inboxes only.
// (TestAccounts_clientMay, TestAccounts_clientMayNot, TestAccounts_replyInjection,
// TestAccounts_tools, TestAccounts_strangers.)
//
// # Data directory
//
// Mode 0700, everything in it 0600, of one user and one machine, on a local disk:
//
//	lock       held with flock(2) by the host; the kernel frees it (TestLock_takeover)
//	format     version of this layout
//	machine    hash of the machine's id
//	tls.pem    certificate and key, made once: clients have it pinned
//	local.nk   seed of the client user      view.nk  seed of the tools' user
//	host.json  where the host listens (bus.HostFile); replaced, never rewritten
//	jetstream  the server's own
//
// # What is promised
//
//   - The server listens on 127.0.0.1 alone, TLS 1.3 from the first byte, nkeys
//     only (TestAccounts_strangers, TestServer_onlyTLS13).
//   - One host at a time for each directory (TestLock_onlyOne).
//   - A Synced server has on disk what it acknowledged, but for streams that opt
//     out (PersistMode async; up to ViewWindow). A Fast one may lose up to
//     FastWindow to a power cut, and nothing to a killed process.
//   - A host that comes after another has its keys and certificate
//     (TestStart_sameIdentity) and its streams (TestStreamsSurvive).
//   - Connections survive Restart, in order and without gaps only by what their
//     users do about it: what was in flight is in doubt (TestRestart).
//   - Shutdown returns after the last goroutine (every test, by goleak).
//
// Server, Lock and Disk are safe for concurrent use. Each Disk has one
// goroutine, which Close waits for; those of the server end in Shutdown.
//
// # Failure
//
//	another process hosts the directory    ErrLocked; join it
//	directory foreign, shared, too new     CodeStore at TryLock, with what to do
//	port taken                             CodeUnreachable at Start
//	host killed                            WaitLock of another returns within 100 ms
//	disk nearly full                       Disk.Full: CodeOverloaded, until there is room
//	write error in the store               publishes time out; Working: CodeStore; Restart
//	client does not read                   closed after MaxPending bytes or WriteDeadline
//	identity file damaged                  CodeStore at Start; remove the file
//
// # Limits
//
// MaxPayload 16 MiB a message; 4,096 bytes a subject with its reply (more
// closes the connection); MaxConnections 16,384; 32 MiB pending a connection;
// the store is bounded by the disk, less the reserve of 64 MiB. Linux and other
// Unix; network file systems are recognized on Linux only.
package embedded
