package engine

import "sync/atomic"

// Stats counts what the engine did since it started. Safe for concurrent use.
type Stats struct {
	Rounds       atomic.Uint64 // records published
	Transactions atomic.Uint64 // in them
	Changes      atomic.Uint64 // in them
	Bytes        atomic.Uint64 // in them
}

func (s *Stats) record(rd *round, bytes int) {
	s.Rounds.Add(1)
	s.Transactions.Add(uint64(rd.count))
	s.Changes.Add(uint64(len(rd.changes)))
	s.Bytes.Add(uint64(bytes))
}

// Stats are the engine's counters.
func (e *Engine) Stats() *Stats { return &e.stats }
