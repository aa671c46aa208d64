package lwj

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of a launcher's output on its way.
const (
	maxSpooled   = 8 << 20               // bytes in memory, of all jobs; beyond it tasks wait in their writes
	spoolEnough  = 64 << 10              // bytes that are sent without delay
	spoolDelay   = 20 * time.Millisecond // of less
	spoolRequest = 512 << 10             // bytes of one request
)

// spool stores the output of all jobs of a launcher. One request is in flight,
// the next collects; every stream that has something gets its turn in each, so
// a job that prints much does not delay one that prints little.
type spool struct {
	ctx    context.Context
	client *Client
	room   *semaphore.Weighted // bytes, of maxSpooled
	wake   chan struct{}       // one slot: there is output
	hurry  chan struct{}       // one slot: send it now

	mu    sync.Mutex
	ready []*outlet // those with output, in the order of their turns
	bytes int       // in ready
}

// outlet is one stream of a task. Its fields are guarded by spool.mu.
type outlet struct {
	job    *Job
	task   int
	stream string
	offset uint64 // of the first byte of data
	data   []byte // not taken yet
}

// piece is a chunk in flight and where it came from.
type piece struct {
	from  *outlet
	chunk Chunk
}

func newSpool(ctx context.Context, conn *bus.Conn) *spool {
	return &spool{ctx: ctx, client: NewClient(conn), room: semaphore.NewWeighted(maxSpooled),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
}

// write takes a copy of data, at most maxSpooled bytes. It waits while there
// is no room, until the job is lost.
func (s *spool) write(o *outlet, data []byte) {
	if o.job.truncated.Load() || s.room.Acquire(o.job.ctx, int64(len(data))) != nil {
		return
	}
	s.mu.Lock()
	if len(o.data) == 0 {
		s.ready = append(s.ready, o)
	}
	o.data = append(o.data, data...)
	o.job.spooled += len(data)
	s.bytes += len(data)
	enough := s.bytes >= spoolEnough
	s.mu.Unlock()
	poke(s.wake)
	if enough {
		poke(s.hurry)
	}
}

// drain returns true when all that the job has written is in the store, false
// when the job is lost. Nothing is written meanwhile.
func (s *spool) drain(j *Job) bool {
	for s.left(j) > 0 && j.ctx.Err() == nil {
		poke(s.hurry)
		select {
		case <-j.drained:
		case <-j.ctx.Done():
		}
	}
	return j.ctx.Err() == nil
}

func (s *spool) left(j *Job) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.spooled
}

// lostOutput is how many bytes the store has lost of what it acknowledged.
func (s *spool) lostOutput(j *Job) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.outputLost
}

// run ends with the launcher.
func (s *spool) run() {
	for s.wait() {
		for pieces := s.take(); len(pieces) > 0; pieces = s.take() {
			s.send(pieces)
		}
	}
}

// wait returns when there is something to send; false at the launcher's end.
func (s *spool) wait() bool {
	select {
	case <-s.ctx.Done():
		return false
	case <-s.wake:
	}
	t := time.NewTimer(spoolDelay)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
		return false
	case <-s.hurry:
	case <-t.C:
	}
	return true
}

// take removes the next request: a chunk of each stream in turn. Output of
// lost jobs, and what is over a job's limit, is dropped.
func (s *spool) take() (pieces []piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var later []*outlet
	size := 0
	for len(s.ready) > 0 && size < spoolRequest && len(pieces) < MaxChunks {
		o := s.ready[0]
		s.ready = s.ready[1:]
		if o.job.ctx.Err() != nil || o.job.truncated.Load() {
			n := len(s.cutLocked(o, len(o.data)))
			s.doneLocked(o.job, n)
			continue
		}
		p := piece{from: o, chunk: Chunk{ID: o.job.id, Epoch: o.job.epoch, Task: o.task, Stream: o.stream, Offset: o.offset}}
		p.chunk.Data = s.cutLocked(o, min(len(o.data), MaxChunk, spoolRequest-size))
		size += len(p.chunk.Data)
		pieces = append(pieces, p)
		if len(o.data) > 0 {
			later = append(later, o)
		}
	}
	s.ready = append(s.ready, later...)
	return pieces
}

// cutLocked removes the first n bytes of what waits.
func (s *spool) cutLocked(o *outlet, n int) []byte {
	data := o.data[:n:n]
	if o.data = o.data[n:]; len(o.data) == 0 {
		o.data = nil
	}
	o.offset += uint64(n)
	s.bytes -= n
	return data
}

// doneLocked gives back the room of n bytes of a job.
func (s *spool) doneLocked(j *Job, n int) {
	s.room.Release(int64(n))
	if j.spooled -= n; j.spooled == 0 {
		poke(j.drained)
	}
}

// send stores pieces, until they are stored or the launcher ends.
func (s *spool) send(pieces []piece) {
	for len(pieces) > 0 && s.ctx.Err() == nil {
		chunks := make([]Chunk, len(pieces))
		for i := range pieces {
			chunks[i] = pieces[i].chunk
		}
		results, err := s.client.Append(s.ctx, chunks...)
		switch {
		case err == nil && len(results) == len(pieces):
			pieces = s.settle(pieces, results)
		case bus.CodeOf(err) == bus.CodeTooLarge && len(pieces) > 1:
			s.send(pieces[:len(pieces)/2])
			pieces = pieces[len(pieces)/2:]
			continue
		case err != nil && !passing(err):
			for i := range pieces {
				pieces[i].from.job.lose(err)
			}
			s.finish(pieces)
			return
		}
		if len(pieces) > 0 {
			sleep(s.ctx, retryPause)
		}
	}
}

// settle takes the host's answers and returns what is to be sent again.
func (s *spool) settle(pieces []piece, results []AppendResult) (again []piece) {
	done := pieces[:0:0]
	for i, p := range pieces {
		r, job := &results[i], p.from.job
		switch err := r.Err(); {
		case err == nil:
			if r.Dropped {
				job.truncated.Store(true)
			}
			done = append(done, p)
		case errors.Is(err, ErrGap) && r.Expected < p.chunk.Offset:
			s.rebase(&p, r.Expected)
			again = append(again, p)
		case passing(err) && job.ctx.Err() == nil:
			again = append(again, p)
		default:
			job.lose(err)
			done = append(done, p)
		}
	}
	s.finish(done)
	return again
}

// rebase goes on behind what a store still has that has lost what it
// acknowledged: the loss is told in the job's end, and the job goes on.
func (s *spool) rebase(p *piece, expected uint64) {
	lost := p.chunk.Offset - expected
	s.mu.Lock()
	defer s.mu.Unlock()
	p.chunk.Offset -= lost
	p.from.offset -= lost
	p.from.job.outputLost += lost
}

func (s *spool) finish(pieces []piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range pieces {
		s.doneLocked(pieces[i].from.job, len(pieces[i].chunk.Data))
	}
}
