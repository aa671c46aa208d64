// Package host is the host of a bus: an embedded server, an engine with every
// layer, and the API. It is public, so that a program can be its own host.
//
// Start is a host and nothing else. Join is what a program on a machine wants:
// the first becomes the host, later ones join it, and when the host leaves,
// whoever is left takes the same store over (TestSessionTakesOver).
//
// # What is promised
//
// An acknowledged write is on disk (durability synced, the default) and is
// there after a restart (TestRestart). One process at a time hosts a data
// directory; the lock is the kernel's, so a killed host leaves none behind.
//
// # Failure
//
//	the host is killed            whoever is left takes over; requests in flight are sent again
//	a launcher is killed          a host that starts ends the leases of processes of this machine that
//	                              are gone, and settles their jobs (TestHostBuriesTheKilled); else the
//	                              lease ends when it is not renewed
//	the disk is full              writes fail with CodeFull, reads go on; writes work again when there is space
//	the server stops taking writes   it is restarted in the same process, requests wait
//	the engine finds the store broken   Failed is closed; a session gives the host up and tries again
//
// # The API
//
// A NATS micro service (nats micro ls): subject <namespace>.api.v1.<user>.<verb>,
// body a bus.Request, answer a bus.Response, both msgpack. The server pins the
// user token to the connection.
package host
