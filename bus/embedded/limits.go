package embedded

import "time"

// The limits of the server. Those that a client can meet are in the package
// documentation.
const (
	// MaxPayload is the largest message, bytes: a log record of 8 MiB and room.
	MaxPayload = 16 << 20
	// MaxPending is what the server keeps for one connection that does not
	// read, bytes; one over it is closed and comes back by replay.
	MaxPending = 32 << 20
	// WriteDeadline is how long one write to a connection may take.
	WriteDeadline = 10 * time.Second
	// FastWindow is what a power cut may lose of a Fast server.
	FastWindow = time.Second
	// ViewWindow is the same of streams that opt out of the sync of a Synced
	// server (the projected views, which are rebuilt from the log).
	ViewWindow = 10 * time.Second
	// MaxMemoryStore bounds memory streams, bytes; ours are all on disk.
	MaxMemoryStore = 256 << 20
	// MaxFileStore is beyond any disk, bytes: the free space bounds the store
	// (see Disk), not what was free at the start, the server's own default.
	MaxFileStore = 1 << 50
	// MaxConnections bounds the connections of clients.
	MaxConnections = 16 << 10

	pingInterval     = 30 * time.Second // a dead client is noticed after three of them
	maxPingsOut      = 2
	handshakeTimeout = 10 * time.Second // TLS and authentication, each; a busy machine is slow
	connectTimeout   = 5 * time.Second  // of an in-process connection
	reconnectWait    = 10 * time.Millisecond
	reconnectJitter  = 10 * time.Millisecond
)
