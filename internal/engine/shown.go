package engine

import (
	"context"
	"reflect"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxShown bounds the messages of a key that are looked at when its past is
// asked for. Of a key with more nothing is read: it would take too long.
const MaxShown = 1 << 13

// Showing is a change as a view shows it: without its value.
type Showing struct {
	*bus.Change
	sequences []uint64 // of the messages that show it: a repair shows it again
}

// Shown returns the changes of a key that its bucket shows. See Shower.
//
// Errors: ErrForeignStream for a bucket that is not ours, which is not read;
// those of the server and of ctx.
func (p *StreamProjector) Shown(ctx context.Context, bucket, key string) (map[uint64]*Showing, error) {
	stream, subject := p.cfg.Names.KVStream(bucket), p.cfg.Names.KVSubject(bucket, bus.EscapeKey(key))
	info, err := streamInfo(ctx, p.js, stream, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return nil, err
	}
	if err := p.streams.check(info.Config, kindView, p.cfg.Store); err != nil {
		return nil, err
	}
	n := info.State.Subjects[subject]
	s := showings{bucket: bucket, key: key, found: map[uint64]*Showing{}, twice: map[uint64]bool{}}
	if n == 0 || n > MaxShown {
		return s.found, nil
	}
	it, err := messages(ctx, p.js, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, HeadersOnly: true})
	if err != nil {
		return nil, err
	}
	defer it.Stop()
	for range n {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		s.add(&nats.Msg{Subject: m.Subject(), Header: m.Headers()}, meta.Sequence.Stream)
		if meta.NumPending == 0 {
			break
		}
	}
	return s.found, nil
}

// showings collects what is shown of a key.
type showings struct {
	bucket, key string
	found       map[uint64]*Showing
	twice       map[uint64]bool // revisions of which two different changes are shown
}

// add takes up a message, unless it is none of ours.
func (s *showings) add(m *nats.Msg, seq uint64) {
	c, err := bus.ChangeFromMsg(s.bucket, m)
	if err != nil || c.Key != s.key || s.twice[c.Revision] {
		return
	}
	old := s.found[c.Revision]
	switch {
	case old == nil:
		s.found[c.Revision] = &Showing{c, []uint64{seq}}
	case reflect.DeepEqual(old.Change, c):
		old.sequences = append(old.sequences, seq)
	default:
		s.twice[c.Revision] = true
		delete(s.found, c.Revision)
	}
}

// Read returns a change with its value, if all its messages agree. See Shower.
func (p *StreamProjector) Read(ctx context.Context, s *Showing) (*bus.Change, error) {
	var c *bus.Change
	for _, seq := range s.sequences {
		m, err := messageOf(ctx, p.cfg.NATS, p.cfg.Names.KVStream(s.Bucket), whichMessage{Seq: seq})
		if err != nil {
			return nil, err
		}
		one, err := bus.ChangeFromMsg(s.Bucket, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil || c != nil && !reflect.DeepEqual(c, one) {
			return nil, jetstream.ErrMsgNotFound
		}
		c = one
	}
	meta := *c
	meta.Value = s.Value
	if !reflect.DeepEqual(&meta, s.Change) { // the stream was made anew
		return nil, jetstream.ErrMsgNotFound
	}
	return c, nil
}
