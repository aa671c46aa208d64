// Package natstest gives tests a real host: an embedded server on a port of
// its own, in a directory of its own, with engine, layers and API. It is for
// tests only.
//
// When a test ends, its bed is flushed and checked: the fold of the log is the
// state (unless the log was trimmed), the KV buckets show the state, and each
// job's history replays to its state.
package natstest
