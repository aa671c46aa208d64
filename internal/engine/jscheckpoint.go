package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// CheckpointChunk is the most bytes of one message of a checkpoint.
	CheckpointChunk = 4 << 20
	// checkpointsKept is how many sealed checkpoints stay.
	checkpointsKept = 2
	// chunksInFlight bounds the chunks whose acknowledgement is awaited.
	chunksInFlight = 4
	// chunkTimeout is how long a chunk may take to be on disk.
	chunkTimeout = 30 * time.Second
	// cleanupTimeout bounds the removal of a save that failed.
	cleanupTimeout = 5 * time.Second
	// sealToken ends the subject of the message that seals a checkpoint.
	sealToken = "seal"
)

// StreamCheckpoints is Checkpoints in a JetStream stream:
//
//	<subject>.<id>.<n>     chunk n, from 0, of the checkpoint id
//	<subject>.<id>.seal    how many chunks and bytes there are, and their hash
//
// A checkpoint counts when its seal and all its chunks are there; the newest is
// the one that was sealed last.
type StreamCheckpoints struct {
	js      jetstream.JetStream
	stream  string
	subject string
	logger  *slog.Logger
	saving  sync.Mutex
}

// seal is the body of a checkpoint's last message, as JSON.
type seal struct {
	Format int    `json:"format"`
	Chunks int    `json:"chunks"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	id     string
	seq    uint64
}

// NewStreamCheckpoints opens the checkpoints of names on nc. The stream
// exists: see Streams.OpenCheckpoints. A nil logger is slog.Default().
func NewStreamCheckpoints(nc *nats.Conn, names bus.Names, logger *slog.Logger) (*StreamCheckpoints, error) {
	if logger == nil {
		logger = slog.Default()
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(chunksInFlight+1), jetstream.WithPublishAsyncTimeout(chunkTimeout))
	if err != nil {
		return nil, err
	}
	return &StreamCheckpoints{js: js, stream: names.CheckpointStream(), subject: names.CheckpointSubject(), logger: logger}, nil
}

// Close releases what the checkpoints hold on the connection.
func (c *StreamCheckpoints) Close() error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.js.CleanupPublisher()
	return nil
}

// Save stores one checkpoint. See Checkpoints.
func (c *StreamCheckpoints) Save(ctx context.Context, write func(chunk func([]byte) error) error) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	w := &chunkWriter{
		c: c, ctx: ctx, id: strings.ReplaceAll(uuid.NewString(), "-", ""), hash: sha256.New(), buf: make([]byte, 0, CheckpointChunk),
	}
	err := write(w.write)
	if err == nil {
		err = w.seal()
	}
	if err != nil {
		w.drop()
		return fmt.Errorf("save a checkpoint: %w", err)
	}
	return c.prune(ctx)
}

// prune removes everything but the newest sealed checkpoints.
func (c *StreamCheckpoints) prune(ctx context.Context) error {
	counts, err := c.counts(ctx)
	if err != nil {
		return err
	}
	sealed, err := c.sealed(ctx, counts)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, s := range sealed[:min(checkpointsKept, len(sealed))] {
		keep[s.id] = true
	}
	for id := range counts {
		if !keep[id] {
			if err := c.remove(ctx, id); err != nil {
				return fmt.Errorf("remove an old checkpoint: %w", err)
			}
		}
	}
	return nil
}

func (c *StreamCheckpoints) remove(ctx context.Context, id string) error {
	return ask(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, c.stream)
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSubject(c.subject+"."+id+".>"))
	})
}

// counts returns how many messages each checkpoint has, sealed or not.
func (c *StreamCheckpoints) counts(ctx context.Context) (map[string]int, error) {
	info, err := streamInfo(ctx, c.js, c.stream, jetstream.WithSubjectFilter(c.subject+".>"))
	if err != nil {
		return nil, fmt.Errorf("look at the checkpoints: %w", err)
	}
	counts := map[string]int{}
	for subject, n := range info.State.Subjects {
		id, _, _ := strings.Cut(strings.TrimPrefix(subject, c.subject+"."), ".")
		counts[id] += int(n)
	}
	return counts, nil
}

// sealed lists the checkpoints that have a seal and as many chunks as it says,
// newest first. It reports the others that have a seal.
func (c *StreamCheckpoints) sealed(ctx context.Context, counts map[string]int) ([]seal, error) {
	var all []seal
	for id, n := range counts {
		s, err := c.readSeal(ctx, id)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			continue
		case err != nil && bus.CodeOf(err) != bus.CodeStore:
			return nil, err
		case err == nil && s.Chunks != n-1:
			err = brokenCheckpoint(id, "it has %d chunks of %d", n-1, s.Chunks)
		}
		if err != nil {
			c.logger.Warn("a checkpoint is passed over", "error", err)
			continue
		}
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].seq > all[j].seq })
	return all, nil
}

func (c *StreamCheckpoints) readSeal(ctx context.Context, id string) (s seal, err error) {
	var m *jetstream.RawStreamMsg
	err = ask(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, c.stream)
		if err == nil {
			m, err = stream.GetLastMsgForSubject(ctx, c.subject+"."+id+"."+sealToken)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return s, brokenCheckpoint(id, "its seal cannot be read: %v", err)
	}
	if s.Format > StreamFormat {
		return s, brokenCheckpoint(id, "it was made by a newer version (format %d; this is format %d)", s.Format, StreamFormat)
	}
	s.id, s.seq = id, m.Sequence
	return s, nil
}

func brokenCheckpoint(id, format string, args ...any) error {
	return bus.NewError(bus.CodeStore, "the checkpoint %s is broken: %s", id, fmt.Sprintf(format, args...)).
		WithHint("the one before it is used; if there is none, the log from its beginning")
}

// Load hands the nth newest sealed checkpoint to read. See Checkpoints.
func (c *StreamCheckpoints) Load(ctx context.Context, nth int, read func(chunk []byte) error) error {
	counts, err := c.counts(ctx)
	if err != nil {
		return err
	}
	sealed, err := c.sealed(ctx, counts)
	if err != nil {
		return err
	}
	if nth >= len(sealed) {
		return fmt.Errorf("%w: %d of %d in the stream can be used", ErrNoCheckpoint, len(sealed), len(counts))
	}
	return c.load(ctx, sealed[nth], read)
}

func (c *StreamCheckpoints) load(ctx context.Context, s seal, read func([]byte) error) error {
	if s.Chunks == 0 {
		return nil
	}
	it, err := messages(ctx, c.js, c.stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{c.subject + "." + s.id + ".*"}})
	if err != nil {
		return fmt.Errorf("read the checkpoint %s: %w", s.id, err)
	}
	defer it.Stop()
	sum, size := sha256.New(), int64(0)
	for n := range s.Chunks {
		m, err := nextMessage(ctx, it)
		if err != nil {
			return fmt.Errorf("read the checkpoint %s: %w", s.id, err)
		}
		if want := c.subject + "." + s.id + "." + strconv.Itoa(n); m.Subject() != want {
			return brokenCheckpoint(s.id, "%s is there instead of %s", m.Subject(), want)
		}
		sum.Write(m.Data())
		size += int64(len(m.Data()))
		if err := read(m.Data()); err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.SHA256 || size != s.Bytes {
		return brokenCheckpoint(s.id, "%d bytes with the hash %s are %d with %s", s.Bytes, s.SHA256, size, got)
	}
	return nil
}
