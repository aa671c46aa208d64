// Package natsfacts pins what the NATS server and client really do where our
// code relies on it, or on knowing better. It has tests only: each is named
// TestNATSFacts_…, says which code rests on the fact, and fails when an upgrade
// of nats-server or nats.go changes it. None of them tests our own code.
package natsfacts
