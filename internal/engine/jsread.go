package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Read calls fn for each record from sequence from on. See Log.
func (l *StreamLog) Read(ctx context.Context, from uint64, fn func(seq uint64, data []byte) error) (uint64, error) {
	first, last, err := l.ends(ctx)
	if err != nil {
		return 0, err
	}
	if from == 0 {
		from = first
	}
	if from > last {
		return last, nil
	}
	if from < first {
		return last, fmt.Errorf("%w: record %d is asked for, the first kept is %d", ErrHole, from, first)
	}
	r := &logReader{log: l, next: from, last: last}
	for r.next <= last {
		if err := r.pass(ctx, fn); err != nil {
			return last, err
		}
	}
	return last, nil
}

// logReader reads records next to last.
type logReader struct {
	log        *StreamLog
	next, last uint64
}

// pass reads with one consumer until the last record, or until the consumer
// stalls: then the next pass takes a new one.
func (r *logReader) pass(ctx context.Context, fn func(uint64, []byte) error) error {
	it, err := messages(ctx, r.log.js, r.log.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
	})
	if err != nil {
		return fmt.Errorf("read the log %s: %w", r.log.stream, err)
	}
	defer it.Stop()
	for r.next <= r.last {
		m, err := nextMessage(ctx, it)
		if err != nil {
			return r.stalled(ctx, err)
		}
		seq, err := streamSequence(m)
		if err != nil {
			return err
		}
		if seq != r.next {
			return fmt.Errorf("%w: record %d is followed by %d", ErrHole, r.next-1, seq)
		}
		if err := fn(r.next, m.Data()); err != nil {
			return err
		}
		r.next++
	}
	return nil
}

// streamSequence reads the stream sequence of a delivered message from its
// reply subject; a subject of another shape is left to the library. It spares the parse of everything else, which counts for a million records.
func streamSequence(m jetstream.Msg) (uint64, error) {
	const oldTokens, sequence = 9, 5 // $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
	reply := m.Reply()
	if strings.Count(reply, ".") != oldTokens-1 {
		meta, err := m.Metadata()
		if err != nil {
			return 0, err
		}
		return meta.Sequence.Stream, nil
	}
	for range sequence {
		_, reply, _ = strings.Cut(reply, ".")
	}
	reply, _, _ = strings.Cut(reply, ".")
	return strconv.ParseUint(reply, 10, 64)
}

// stalled looks why no record comes: nil when the read is to go on.
func (r *logReader) stalled(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !passing(cause) && !errors.Is(cause, jetstream.ErrNoHeartbeat) && !errors.Is(cause, jetstream.ErrMsgIteratorClosed) &&
		!errors.Is(cause, jetstream.ErrOrderedConsumerReset) {
		return fmt.Errorf("read the log %s: %w", r.log.stream, cause)
	}
	first, _, err := r.log.ends(ctx)
	if err == nil && first > r.next {
		return fmt.Errorf("%w: record %d went while it was to be read", ErrHole, r.next)
	}
	return err
}

// messages reads a stream with a consumer of its own, which is gone after its
// Stop. At most ReadAhead bytes are on the way.
func messages(ctx context.Context, js jetstream.JetStream, stream string, cfg jetstream.OrderedConsumerConfig) (it jetstream.MessagesContext, err error) {
	var c jetstream.Consumer
	err = ask(ctx, func(ctx context.Context) error {
		c, err = js.OrderedConsumer(ctx, stream, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.Messages(jetstream.PullMaxMessagesWithBytesLimit(readAheadRecords, ReadAhead))
}

// nextMessage waits for the next message, but not longer than readStall.
func nextMessage(ctx context.Context, it jetstream.MessagesContext) (jetstream.Msg, error) {
	m, err := it.Next(jetstream.NextMaxWait(readStall))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, nats.ErrTimeout) {
		return nil, fmt.Errorf("%w: nothing came for %v", nats.ErrTimeout, readStall)
	}
	return m, err
}
