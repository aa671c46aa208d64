package lwj

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of an OutputStore.
const (
	outputTimeout  = 10 * time.Second // of one append or read, beside what a read waits
	outputParallel = 64               // tasks' streams that one append stores at a time
	maxOutputJobs  = 4096             // jobs whose state is kept before those that have ended go
	readBytes      = 1 << 20          // of one answer; one chunk may go over it
	readChunks     = 256
)

// OutputStore keeps what tasks print in the output stream of a host, past the
// engine: a message is one chunk, on the subject of its job, task and stream.
// The stream is bounded, its oldest chunks go first.
//
// Only the owner of a job appends, at its epoch. Each message is conditional
// on the one before it on its subject, so even a second host cannot mix bytes
// in. Safe for concurrent use; it has no goroutines of its own.
type OutputStore struct {
	js    jetstream.JetStream
	names bus.Names
	ctx   context.Context // ends in Close
	close context.CancelFunc

	mu      sync.Mutex
	stream  jetstream.Stream
	jobs    map[uint64]*jobOutput
	readers map[uint64]map[chan struct{}]struct{} // who waits for output of a job
}

// NewOutputStore returns the store over js. The stream is made by
// engine.Streams.OpenOutput.
func NewOutputStore(js jetstream.JetStream, names bus.Names) *OutputStore {
	s := &OutputStore{js: js, names: names, jobs: map[uint64]*jobOutput{}, readers: map[uint64]map[chan struct{}]struct{}{}}
	s.ctx, s.close = context.WithCancel(context.Background())
	return s
}

// Layer returns the verbs of the store for the engine that knows its jobs.
// They are reads to the engine: output is none of its log.
func (s *OutputStore) Layer() engine.Layer {
	return engine.Layer{Name: "lwj-output", Reads: []engine.Read{
		engine.WaitOf(VerbOutput, checkAppend, func(ctx context.Context, v *engine.View, in *AppendRequest) (any, error) {
			return s.Append(ctx, v, in)
		}),
		engine.WaitOf(VerbRead, checkRead, func(ctx context.Context, v *engine.View, in *ReadRequest) (any, error) {
			return s.Read(ctx, v, in)
		}),
	}}
}

// Close ends what runs: call it before the engine is closed.
func (s *OutputStore) Close() { s.close() }

// io returns the context of a request's I/O: how long its caller waits for
// news says nothing about it.
func (s *OutputStore) io() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, outputTimeout)
}

// open returns the stream.
func (s *OutputStore) open(ctx context.Context) (jetstream.Stream, error) {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if stream != nil {
		return stream, nil
	}
	stream, err := s.js.Stream(ctx, s.names.OutputStream())
	if err != nil {
		return nil, storeError(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream = stream
	return stream, nil
}

// storeError is what a failure of the stream means to a caller: ask again.
func storeError(err error) error {
	return bus.NewError(bus.CodeTimeout, "the output stream does not answer: %v", err).WithHint("try again")
}

// Drop removes the output of jobs that were forgotten.
func (s *OutputStore) Drop(ctx context.Context, ids ...uint64) error {
	stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(s.names.Output(id, "*", "*"))); err != nil {
			return storeError(err)
		}
		s.mu.Lock()
		delete(s.jobs, id)
		s.mu.Unlock()
	}
	return nil
}

// job returns what is known of a job's output.
func (s *OutputStore) job(v *engine.View, id uint64) *jobOutput {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil {
		if len(s.jobs) >= maxOutputJobs {
			s.sweepLocked(v)
		}
		j = &jobOutput{store: s, id: id}
		s.jobs[id] = j
	}
	return j
}

// sweepLocked forgets jobs that nobody can append to any more. One that is in
// use is known to two for a moment: the condition on each message holds.
func (s *OutputStore) sweepLocked(v *engine.View) {
	for id := range s.jobs {
		if c := v.Get(Bucket, ctlKey(id)); c == nil || c.Owner == "" {
			delete(s.jobs, id)
		}
	}
}

// listen returns a channel that gets a token when output of a job is stored.
func (s *OutputStore) listen(id uint64) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers[id] == nil {
		s.readers[id] = map[chan struct{}]struct{}{}
	}
	s.readers[id][ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers[id], ch)
		if len(s.readers[id]) == 0 {
			delete(s.readers, id)
		}
	}
}

func (s *OutputStore) notify(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.readers[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
