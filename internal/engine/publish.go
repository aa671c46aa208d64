package engine

import (
	"log/slog"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// Events publishes committed changes as plain messages: one feed message per
// bucket and round, and a single event per change that somebody subscribes to.
type Events struct {
	nc     *nats.Conn
	wanted func(subject string) bool // nil: every single event is sent
	e      *Engine
	last   map[string]uint64 // per bucket: revision of its last feed message
	start  uint64            // stands for that before the first
	logger *slog.Logger
}

// NewEvents publishes over nc. Set it as Config.Publish; the engine binds it.
// wanted tells whether anybody subscribes to a subject, where the server is at
// hand to be asked: single events that nobody hears are not made. Nil: all are
// sent. A subscription counts as soon as the server has it, which a subscriber
// makes sure of before it reads the past.
func NewEvents(nc *nats.Conn, wanted func(subject string) bool, logger *slog.Logger) *Events {
	return &Events{nc: nc, wanted: wanted, last: map[string]uint64{}, logger: logger}
}

func (p *Events) bind(e *Engine) { p.e, p.start = e, e.head.revision }

// Publish sends the events of a round; transient buckets have none. A message
// that cannot be sent is left out: readers see the gap and fill it.
func (p *Events) Publish(r *Round) {
	byBucket := map[string][]*bus.Change{}
	for _, c := range r.Changes {
		if !p.e.Bucket(c.Bucket).Transient {
			byBucket[c.Bucket] = append(byBucket[c.Bucket], c)
		}
	}
	for bucket, changes := range byBucket {
		p.send(r, bucket, changes)
	}
	for _, changes := range byBucket {
		for _, c := range changes {
			p.single(r, c)
		}
	}
}

// send publishes one feed message; one that is larger than the server takes
// is replaced by a note that there is something to fetch.
func (p *Events) send(r *Round, bucket string, changes []*bus.Change) {
	previous, ok := p.last[bucket]
	if !ok {
		previous = p.start
	}
	last := changes[len(changes)-1].Revision
	p.last[bucket] = last
	data, err := bus.Marshal(&bus.Feed{Incarnation: r.Incarnation, Epoch: r.Epoch, Previous: previous, Changes: changes})
	if err == nil && int64(len(data)) > p.nc.MaxPayload() {
		data, err = bus.Marshal(&bus.Feed{Incarnation: r.Incarnation, Epoch: r.Epoch, Previous: last})
	}
	if err == nil {
		err = p.nc.Publish(p.e.names.Feed(bucket), data)
	}
	if err != nil {
		p.logger.Debug("a feed message was not sent", "bucket", bucket, "error", err)
	}
}

// single sends the event of one change. Its key stands in a header where the
// layer names the subject.
func (p *Events) single(r *Round, c *bus.Change) {
	subject, key := p.e.names.Key(c.Bucket, c.Key), ""
	if f := p.e.subject[c.Bucket]; f != nil {
		subject, key = f(p.e.names, c), bus.EscapeKey(c.Key)
	}
	if subject == "" || p.wanted != nil && !p.wanted(subject) {
		return
	}
	header := c.Header(bus.HeaderEpoch, strconv.FormatUint(r.Epoch, 10), bus.HeaderIncarnation, strconv.FormatUint(r.Incarnation, 10), bus.HeaderKey, key)
	if err := p.nc.PublishMsg(&nats.Msg{Subject: subject, Header: header, Data: c.Value}); err != nil {
		p.logger.Debug("an event was not sent", "subject", subject, "error", err)
	}
}
