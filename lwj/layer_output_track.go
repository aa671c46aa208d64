package lwj

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Headers of an output message, beside bus.HeaderEpoch.
const (
	headerOffset = "Lwj-Offset" // of its first byte in the task's stream, under all epochs
	headerBase   = "Lwj-Base"   // the offset at which its epoch began
)

// Server error codes of a condition that is not met.
const (
	errCodeWrongLast           = 10071
	errCodeWrongLastReplicated = 10164
)

// publishTries bounds how often a chunk is tried when somebody else's message
// is in the way.
const publishTries = 3

// trackID is one stream of one task.
type trackID struct {
	task   int
	stream string
}

// track is where one stream of one task ends. It belongs to who holds the lock
// of its job, or to the one goroutine that appends to it then.
type track struct {
	subject string
	known   bool   // what follows is so; else the stream has to be asked
	epoch   uint64 // of its newest chunk
	base    uint64 // offset at which that epoch began
	end     uint64 // offset behind the newest chunk
	seq     uint64 // of the newest chunk's message
}

// jobOutput is what is known of a job's output.
type jobOutput struct {
	store *OutputStore
	id    uint64

	mu     sync.Mutex // held by the append that works on the job
	loaded bool
	limit  uint64 // bytes
	lossy  bool   // chunks that are not there may have been
	tracks map[trackID]*track
	told   bool // EventTruncated was posted

	room    sync.Mutex // the counts, while several tracks are appended
	used    uint64     // bytes of all tracks
	full    bool       // nothing is stored any more
	dropped bool       // something was not stored
}

// load asks the stream how far the job's output is. One request for a job that
// has printed nothing; it is done once.
func (j *jobOutput) load(ctx context.Context, v *engine.View) error {
	if j.loaded {
		return nil
	}
	spec, err := specOf(v, j.id)
	if err != nil {
		return err
	}
	stream, err := j.store.open(ctx)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(j.store.names.Output(j.id, "*", "*")))
	if err != nil {
		return storeError(err)
	}
	j.limit, j.lossy, j.used = uint64(spec.outputLimit()), info.State.FirstSeq > 1, 0
	j.tracks = map[trackID]*track{}
	var g errgroup.Group
	g.SetLimit(outputParallel)
	for subject := range info.State.Subjects {
		id, ok := parseOutput(subject)
		if !ok {
			continue
		}
		t := &track{subject: subject}
		j.tracks[id] = t
		g.Go(func() error { return t.load(ctx, stream) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, t := range j.tracks {
		j.used += t.end
	}
	j.full, j.loaded = j.used >= j.limit, true
	return nil
}

// parseOutput splits the subject of an output message.
func parseOutput(subject string) (trackID, bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 2 {
		return trackID{}, false
	}
	task, err := strconv.Atoi(tokens[len(tokens)-2])
	return trackID{task, tokens[len(tokens)-1]}, err == nil
}

func (j *jobOutput) track(id trackID) *track {
	t := j.tracks[id]
	if t == nil {
		t = &track{subject: j.store.names.Output(j.id, strconv.Itoa(id.task), id.stream), known: true}
		j.tracks[id] = t
	}
	return t
}

// load reads where the track ends from its newest message.
func (t *track) load(ctx context.Context, stream jetstream.Stream) error {
	m, err := stream.GetLastMsgForSubject(ctx, t.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		t.known = true
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	t.end = headerUint(m.Header, headerOffset) + uint64(len(m.Data))
	t.epoch, t.base = headerUint(m.Header, bus.HeaderEpoch), headerUint(m.Header, headerBase)
	t.seq, t.known = m.Sequence, true
	return nil
}

func headerUint(h nats.Header, name string) uint64 {
	n, _ := strconv.ParseUint(h.Get(name), 10, 64)
	return n
}

// append stores what of a chunk is new and within the limit. What does not fit
// what is known of the track is tried again with what the stream says.
func (j *jobOutput) append(ctx context.Context, t *track, c *Chunk) (r AppendResult) {
	var err error
	for range publishTries {
		asked := !t.known
		r, err = j.try(ctx, t, c)
		if err == nil && (r.Error == nil || asked) {
			return r
		}
		if err != nil && !isWrongLast(err) {
			break
		}
		t.known = false
	}
	if err != nil {
		r = AppendResult{Error: asBusError(storeOr(err))}
	}
	return r
}

// storeOr keeps our own refusals and words the stream's.
func storeOr(err error) error {
	var e *bus.Error
	if errors.As(err, &e) {
		return e
	}
	return storeError(err)
}

func isWrongLast(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == errCodeWrongLast || api.ErrorCode == errCodeWrongLastReplicated)
}

func (j *jobOutput) try(ctx context.Context, t *track, c *Chunk) (AppendResult, error) {
	if err := j.look(ctx, t); err != nil {
		return AppendResult{}, err
	}
	end := c.Offset + uint64(len(c.Data))
	base, next := t.next(c)
	switch {
	case end <= next:
		return AppendResult{Expected: next}, nil
	case j.isFull():
		return AppendResult{Expected: end, Dropped: true}, nil
	case c.Offset > next && t.seq == 0 && j.lossy:
		next = c.Offset // what came before it was dropped for want of room
	case c.Offset > next:
		return AppendResult{Expected: next, Error: refuse(ErrGap, "the output of job %d on %s goes on at %d, not %d", j.id, t.subject, next, c.Offset).WithRevision(next)}, nil
	}
	fresh := c.Data[next-c.Offset:]
	granted := j.take(len(fresh))
	if err := j.publish(ctx, t, c.Epoch, base, next, fresh[:granted]); err != nil {
		j.give(granted)
		return AppendResult{}, err
	}
	return AppendResult{Expected: end, Dropped: granted < len(fresh)}, nil
}

// look asks the stream where the track ends if that is not known.
func (j *jobOutput) look(ctx context.Context, t *track) error {
	if t.known {
		return nil
	}
	stream, err := j.store.open(ctx)
	if err != nil {
		return err
	}
	before := t.end
	err = t.load(ctx, stream)
	j.room.Lock()
	defer j.room.Unlock()
	j.used += t.end - min(t.end, before)
	return err
}

// next returns where the epoch of a chunk begins in the track, and the offset
// that follows under that epoch.
func (t *track) next(c *Chunk) (base, next uint64) {
	if c.Epoch != t.epoch {
		return t.end, 0
	}
	return t.base, t.end - t.base
}

// publish stores data, on condition that the track ends where it is known to.
func (j *jobOutput) publish(ctx context.Context, t *track, epoch, base, offset uint64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	m := &nats.Msg{Subject: t.subject, Data: data, Header: nats.Header{
		headerOffset: {uitoa(base + offset)}, headerBase: {uitoa(base)}, bus.HeaderEpoch: {uitoa(epoch)}}}
	ack, err := j.store.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(t.seq))
	if err != nil {
		t.known = false // it may have been stored all the same
		return err
	}
	t.epoch, t.base, t.end, t.seq = epoch, base, base+offset+uint64(len(data)), ack.Sequence
	return nil
}

// isFull reports whether nothing more is stored; what is asked about is dropped.
func (j *jobOutput) isFull() bool {
	j.room.Lock()
	defer j.room.Unlock()
	j.dropped = j.dropped || j.full
	return j.full
}

// take reserves up to n bytes of what is left of the limit.
func (j *jobOutput) take(n int) int {
	j.room.Lock()
	defer j.room.Unlock()
	granted := min(uint64(n), j.limit-min(j.limit, j.used))
	if granted < uint64(n) {
		j.full, j.dropped = true, true
	}
	j.used += granted
	return int(granted)
}

func (j *jobOutput) give(n int) {
	j.room.Lock()
	defer j.room.Unlock()
	j.used -= uint64(n)
}
