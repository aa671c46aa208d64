package lwj

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

func checkAppend(in *AppendRequest) error {
	if n := len(in.Chunks); n == 0 || n > MaxChunks {
		return usage("an append has 1 to %d chunks, not %d", MaxChunks, n)
	}
	bytes := 0
	for i := range in.Chunks {
		c := &in.Chunks[i]
		bytes += len(c.Data)
		switch {
		case len(c.Data) == 0:
			return usage("chunk %d is empty", i)
		case len(c.Data) > MaxChunk || bytes > MaxAppend:
			return refuse(ErrTooLarge, "a chunk has at most %d bytes, an append %d", MaxChunk, MaxAppend).WithHint("split it")
		case c.Task < 0 || c.Task >= MaxTasks || c.Stream != Stdout && c.Stream != Stderr:
			return usage("there is no stream %q of task %d", c.Stream, c.Task)
		}
	}
	return nil
}

// Append stores chunks; chunks of one task and stream in their order. It
// returns when everything is on disk.
func (s *OutputStore) Append(_ context.Context, v *engine.View, in *AppendRequest) (*AppendAnswer, error) {
	ctx, cancel := s.io()
	defer cancel()
	answer := &AppendAnswer{Results: make([]AppendResult, len(in.Chunks))}
	byJob := map[uint64][]int{}
	for i := range in.Chunks {
		byJob[in.Chunks[i].ID] = append(byJob[in.Chunks[i].ID], i)
	}
	var g errgroup.Group
	g.SetLimit(outputParallel)
	for id, chunks := range byJob {
		g.Go(func() error {
			s.appendJob(ctx, v, id, in, chunks, answer)
			return nil
		})
	}
	return answer, g.Wait()
}

// appendJob stores the chunks of one job.
func (s *OutputStore) appendJob(ctx context.Context, v *engine.View, id uint64, in *AppendRequest, chunks []int, answer *AppendAnswer) {
	j := s.job(v, id)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.load(ctx, v); err != nil {
		for _, i := range chunks {
			answer.Results[i].Error = asBusError(err)
		}
		return
	}
	byTrack := map[trackID][]int{}
	for _, i := range chunks {
		c := &in.Chunks[i]
		if err := fenceView(v, id, c.Epoch); err != nil {
			answer.Results[i].Error = asBusError(err)
			continue
		}
		t := trackID{c.Task, c.Stream}
		byTrack[t] = append(byTrack[t], i)
	}
	var g errgroup.Group
	g.SetLimit(outputParallel)
	for t, chunks := range byTrack {
		track := j.track(t)
		g.Go(func() error {
			for _, i := range chunks {
				answer.Results[i] = j.append(ctx, track, &in.Chunks[i])
			}
			return nil
		})
	}
	if g.Wait() == nil && j.dropped && !j.told {
		j.told = j.tell(ctx, v) == nil
	}
	s.notify(id)
}

// fenceView checks in a snapshot that epoch is that of a job's owner, who is alive.
func fenceView(v *engine.View, id, epoch uint64) error {
	c := v.Get(Bucket, ctlKey(id))
	if c == nil {
		return noJob(id)
	}
	ctl, err := decode[Control](c)
	switch {
	case err != nil:
		return err
	case ctl.Epoch != epoch:
		return refuse(ErrFenced, "job %d has epoch %d, not %d: it has another owner", id, ctl.Epoch, epoch)
	case ctl.Owner == "" && ctl.External:
		return nil
	case ctl.Owner == "" || !ownerAlive(v, ctl):
		return refuse(ErrFenced, "job %d has no owner any more", id)
	}
	return nil
}

func ownerAlive(v *engine.View, ctl *Control) bool {
	c := v.Get(engine.OwnerBucket, ctl.Owner)
	if c == nil || c.Created != ctl.Token {
		return false
	}
	var r engine.Registration
	return bus.Unmarshal(c.Value, &r) == nil && !r.Ending
}

// tell posts the event that output is over its limit, once for a job, with
// the clock of whoever prints it.
func (j *jobOutput) tell(ctx context.Context, v *engine.View) error {
	now := v.Engine().View(v.User)
	for n := lastEvent(now, j.id); n > 0; n-- {
		ev, err := decode[EventRecord](now.Get(Bucket, eventKey(j.id, n)))
		if err == nil && ev.Kind == KindEvent && ev.Name == EventTruncated {
			return nil
		}
	}
	body, err := bus.Marshal(PostRequest{ID: j.id, Event: EventRecord{
		Kind: KindEvent, Name: EventTruncated, Data: map[string]string{"limit": uitoa(j.limit)}}})
	if err != nil {
		return err
	}
	if res := v.Engine().Call(ctx, v.User, VerbPost, &bus.Request{Clock: v.Clock, Body: body}); res.Error != nil {
		return res.Error
	}
	return nil
}
