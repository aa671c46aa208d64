package enginetest

import (
	"context"
	"errors"
	"sync"

	"github.com/lwjbus/lwjbus/internal/engine"
)

// Fault is what happens to one append.
type Fault int

// The faults.
const (
	None      Fault = iota
	LoseAck         // it is stored, the writer hears an error
	LoseWrite       // it is not stored, the writer hears an error
	Silent          // it is stored, the writer never hears
	Refuse          // a definite refusal
)

// errLost is the doubt that a lost acknowledgement leaves.
var errLost = errors.New("enginetest: no acknowledgement")

// MemLog is a Log in memory. The zero value is empty and ready. Safe for
// concurrent use.
type MemLog struct {
	// Fail, if set, is asked before each append.
	Fail func(after uint64, data []byte) Fault
	// Hold, if set, is received from before each append is answered.
	Hold <-chan struct{}

	mu      sync.Mutex
	records [][]byte
	first   uint64 // sequence of records[0], less one
}

var _ engine.Log = (*MemLog)(nil)

// Append stores data if the last sequence is after.
func (l *MemLog) Append(after uint64, data []byte, done func(uint64, error)) {
	fault := None
	if l.Fail != nil {
		fault = l.Fail(after, data)
	}
	seq, err := l.append(after, data, fault)
	go func() { // the answer of a server: it comes later, once
		if l.Hold != nil {
			<-l.Hold
		}
		if fault != Silent {
			done(seq, err)
		}
	}()
}

func (l *MemLog) append(after uint64, data []byte, fault Fault) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case fault == Refuse:
		return 0, &engine.RefusedError{Code: 10054, Reason: "message size exceeds maximum allowed"}
	case after != l.lastLocked():
		return 0, engine.ErrLostCondition
	case fault == LoseWrite:
		return 0, errLost
	}
	l.records = append(l.records, append([]byte{}, data...))
	if fault == LoseAck {
		return 0, errLost
	}
	return l.lastLocked(), nil
}

func (l *MemLog) lastLocked() uint64 { return l.first + uint64(len(l.records)) }

// Last returns the last sequence.
func (l *MemLog) Last(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastLocked(), nil
}

// First returns the first kept sequence.
func (l *MemLog) First(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first + 1, nil
}

// Read calls fn for the records from sequence from on.
func (l *MemLog) Read(_ context.Context, from uint64, fn func(uint64, []byte) error) (uint64, error) {
	l.mu.Lock()
	last, first := l.lastLocked(), l.first
	records := l.records
	l.mu.Unlock()
	if from == 0 {
		from = first + 1
	}
	if from <= first {
		return 0, engine.ErrHole
	}
	for seq := from; seq <= last; seq++ {
		if err := fn(seq, records[seq-first-1]); err != nil {
			return seq, err
		}
	}
	return last, nil
}

// Trim drops the records below seq.
func (l *MemLog) Trim(_ context.Context, seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.first+1 < seq && len(l.records) > 1 {
		l.records, l.first = l.records[1:], l.first+1
	}
	return nil
}

// Truncate forgets every record after seq: the power cut of a store that was not synced.
func (l *MemLog) Truncate(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = l.records[:seq-l.first]
}

// Foreign appends a message that is no record.
func (l *MemLog) Foreign(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, data)
}

// MaxRecord is that of the embedded server.
func (l *MemLog) MaxRecord() int { return engine.MaxRecordBytes }

// Close does nothing: the log survives its engine.
func (l *MemLog) Close() error { return nil }

// MemCheckpoints keeps the two newest checkpoints in memory. The zero value is empty.
type MemCheckpoints struct {
	// Saved, if set, gets a token after each save, unless one is there.
	Saved chan struct{}

	mu    sync.Mutex
	saved [][]byte // newest first
}

var _ engine.Checkpoints = (*MemCheckpoints)(nil)

// Save stores a checkpoint.
func (m *MemCheckpoints) Save(_ context.Context, write func(func([]byte) error) error) error {
	var all []byte
	if err := write(func(p []byte) error { all = append(all, p...); return nil }); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved = append([][]byte{all}, m.saved...)
	m.saved = m.saved[:min(len(m.saved), 2)]
	select {
	case m.Saved <- struct{}{}:
	default:
	}
	return nil
}

// Load hands over the nth newest.
func (m *MemCheckpoints) Load(_ context.Context, nth int, read func([]byte) error) error {
	m.mu.Lock()
	if nth >= len(m.saved) {
		m.mu.Unlock()
		return engine.ErrNoCheckpoint
	}
	data := m.saved[nth]
	m.mu.Unlock()
	return read(data)
}

// Spoil cuts every kept checkpoint short.
func (m *MemCheckpoints) Spoil() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.saved {
		m.saved[i] = m.saved[i][:len(m.saved[i])/2]
	}
}

// Count is how many checkpoints are kept.
func (m *MemCheckpoints) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.saved)
}

// Close does nothing.
func (m *MemCheckpoints) Close() error { return nil }
