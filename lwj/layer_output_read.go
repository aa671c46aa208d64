package lwj

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func checkRead(in *ReadRequest) error {
	switch {
	case in.Task < AllTasks || in.Task >= MaxTasks:
		return usage("there is no task %d", in.Task)
	case in.Stream != "" && in.Stream != Stdout && in.Stream != Stderr:
		return usage("there is no stream %q", in.Stream).WithHint("the streams are %s and %s", Stdout, Stderr)
	case in.Offset != 0 && (in.Task == AllTasks || in.Stream == ""):
		return usage("an offset counts the bytes of one task and one stream").WithHint("name them")
	}
	return nil
}

// Read returns the output from the request's cursor or offset on. Where there
// is none it waits until ctx ends or the job does.
func (s *OutputStore) Read(ctx context.Context, v *engine.View, in *ReadRequest) (*ReadAnswer, error) {
	news, stop := s.listen(in.ID)
	defer stop()
	cursor := in.Cursor
	for {
		v = v.Engine().View(v.User)
		final, state, err := isFinal(v, in.ID)
		if err != nil {
			return nil, err
		}
		answer, err := s.collect(in, cursor)
		if err != nil {
			return nil, err
		}
		// What was final before the look and had nothing then has ended.
		answer.End = final && len(answer.Chunks) == 0
		if answer.End || len(answer.Chunks) > 0 || !s.await(ctx, v, in.ID, state, news) {
			return answer, nil
		}
		cursor = answer.Next
	}
}

// isFinal reports whether a job has ended, and the revision of its state.
func isFinal(v *engine.View, id uint64) (bool, uint64, error) {
	c, ctl := v.Get(Bucket, stateKey(id)), v.Get(Bucket, ctlKey(id))
	if c == nil || ctl == nil {
		return false, 0, noJob(id)
	}
	state, err := decode[StateRecord](c)
	if err != nil {
		return false, 0, err
	}
	control, err := decode[Control](ctl)
	if err != nil || !control.Own {
		return state.State.Final(), c.Revision, err
	}
	spec, err := specOf(v, id)
	if err != nil {
		return false, 0, err
	}
	return spec.machine().Final(state.State), c.Revision, nil
}

// await returns true when there may be more: output was stored or the job's
// state has changed; false when ctx has ended.
func (s *OutputStore) await(ctx context.Context, v *engine.View, id, state uint64, news <-chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	changed := make(chan bool, 1)
	go func() { // ends with ctx; waited for below
		_, err := v.Await(ctx, Bucket, stateKey(id), state)
		changed <- err == nil
	}()
	select {
	case <-news:
		cancel()
		<-changed // it has ended
		return true
	case is := <-changed:
		cancel()
		return is
	case <-s.ctx.Done():
		cancel()
		<-changed
		return false
	}
}

// collect reads what is there, up to the bounds of one answer.
func (s *OutputStore) collect(in *ReadRequest, cursor uint64) (*ReadAnswer, error) {
	ctx, cancel := s.io()
	defer cancel()
	stream, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	subject := s.subject(in)
	if cursor == 0 {
		if cursor, err = locate(ctx, stream, subject, in.Offset); err != nil {
			return nil, err
		}
	}
	answer := &ReadAnswer{Next: cursor}
	for bytes := 0; bytes < readBytes && len(answer.Chunks) < readChunks; {
		m, err := stream.GetMsg(ctx, answer.Next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, storeError(err)
		}
		answer.Next = m.Sequence + 1
		if c, ok := chunkOf(in, m); ok {
			answer.Chunks = append(answer.Chunks, c)
			bytes += len(c.Data)
		}
	}
	return answer, nil
}

// subject is what the asked output is stored under.
func (s *OutputStore) subject(in *ReadRequest) string {
	task, stream := "*", "*"
	if in.Task != AllTasks {
		task = strconv.Itoa(in.Task)
	}
	if in.Stream != "" {
		stream = in.Stream
	}
	return s.names.Output(in.ID, task, stream)
}

// chunkOf makes a chunk of a message, without what lies before the asked
// offset; false where nothing is left.
func chunkOf(in *ReadRequest, m *jetstream.RawStreamMsg) (Chunk, bool) {
	id, ok := parseOutput(m.Subject)
	if !ok {
		return Chunk{}, false
	}
	c := Chunk{ID: in.ID, Epoch: headerUint(m.Header, bus.HeaderEpoch), Task: id.task, Stream: id.stream,
		Offset: headerUint(m.Header, headerOffset), Data: m.Data}
	if c.Offset < in.Offset {
		skip := min(in.Offset-c.Offset, uint64(len(c.Data)))
		c.Offset, c.Data = c.Offset+skip, c.Data[skip:]
	}
	return c, len(c.Data) > 0
}

// locate returns the sequence to read from for a byte offset. The offsets of a
// subject grow with its sequences, so it halves the stream: about 20 messages
// are looked at, however much was printed.
func locate(ctx context.Context, stream jetstream.Stream, subject string, offset uint64) (uint64, error) {
	if offset == 0 {
		return 1, nil
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, storeError(err)
	}
	// The first message behind low's subject that ends after offset is wanted.
	low, high := max(info.State.FirstSeq, 1), info.State.LastSeq+1
	for low < high {
		middle := low + (high-low)/2
		m, err := stream.GetMsg(ctx, middle, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			high = middle
		case err != nil:
			return 0, storeError(err)
		case headerUint(m.Header, headerOffset)+uint64(len(m.Data)) > offset:
			high = middle
		default:
			low = m.Sequence + 1
		}
	}
	return low, nil
}
