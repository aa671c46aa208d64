package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
)

// StreamFormat is the version of the layout of our streams. A stream of a
// newer one is refused, never guessed at.
const StreamFormat = 1

// The mark that makes a stream ours, in its metadata.
const (
	markKind      = "lwj"        // log, checkpoint, output or view
	markFormat    = "lwj-format" // StreamFormat
	markStore     = "lwj-store"  // id of the store, a UUID made with the log
	markNamespace = "lwj-ns"
	markSince     = "lwj-since" // of a view: the revision that dropped the bucket before it
)

// Kinds of streams, the values of markKind.
const (
	kindLog        = "log"
	kindCheckpoint = "checkpoint"
	kindOutput     = "output"
	kindView       = "view"
)

// kvSubjects is what all NATS KV buckets listen on.
const kvSubjects = "$KV.>"

const (
	// apiTry is the deadline of one try of a JetStream API request. A request
	// that meets no leader is never answered, so it is short, and retried.
	apiTry = 2 * time.Second
	// apiPause is the time between two tries.
	apiPause = 100 * time.Millisecond
	// DefaultProjectedHistory is how many versions of a key its bucket keeps.
	DefaultProjectedHistory = 64
	// MaxProjectedHistory is the most that NATS KV allows a bucket we make to keep.
	MaxProjectedHistory = 1 << 20
)

// Streams makes, finds and checks the streams of one namespace: the one place
// that knows how they are configured. The zero value of a field is its
// default where one is named. Safe for concurrent use.
type Streams struct {
	Core     jetstream.JetStream // log, checkpoints, output. Required.
	View     jetstream.JetStream // buckets. Default: Core.
	Names    bus.Names           // Required.
	Replicas int                 // Default: 1.
}

// OpenLog finds or makes the log and returns the id of the store, a UUID.
//
// Errors: ErrForeignStream; CodeStore for a newer format, or a log that is
// missing although a checkpoint stream or buckets of ours are there.
func (s *Streams) OpenLog(ctx context.Context) (store string, err error) {
	for {
		store, err = s.FindLog(ctx)
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return store, err
		}
		if err := s.noRemains(ctx); err != nil {
			return "", err
		}
		cfg := s.durable(s.Names.LogStream(), s.Names.LogSubject(), kindLog, uuid.NewString())
		cfg.Discard, cfg.DenyDelete = jetstream.DiscardNew, true
		err = ask(ctx, func(ctx context.Context) error {
			_, err := s.Core.CreateStream(ctx, cfg)
			return err
		})
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return "", fmt.Errorf("make the log %s: %w", cfg.Name, err)
		}
	}
}

// FindLog returns the id of the store whose log is there. It makes nothing:
// jetstream.ErrStreamNotFound when there is no log.
func (s *Streams) FindLog(ctx context.Context) (store string, err error) {
	info, err := streamInfo(ctx, s.Core, s.Names.LogStream())
	if err != nil {
		return "", err
	}
	if err := s.check(info.Config, kindLog, ""); err != nil {
		return "", err
	}
	return info.Config.Metadata[markStore], nil
}

// OpenCheckpoints finds or makes the checkpoint stream of the store.
func (s *Streams) OpenCheckpoints(ctx context.Context, store string) error {
	cfg := s.durable(s.Names.CheckpointStream(), s.Names.CheckpointSubject()+".>", kindCheckpoint, store)
	cfg.Discard = jetstream.DiscardNew
	_, err := s.open(ctx, s.Core, cfg)
	return err
}

// OpenOutput finds or makes the stream of job output. perSubject bounds the
// messages of one subject, total the bytes of all; -1 leaves a bound open. The
// oldest output goes first.
func (s *Streams) OpenOutput(ctx context.Context, store string, perSubject, total int64) error {
	cfg := s.durable(s.Names.OutputStream(), s.Names.Namespace+".out.>", kindOutput, store)
	cfg.MaxMsgsPerSubject, cfg.MaxBytes = perSubject, total
	cfg.AllowDirect = cfg.Replicas == 1 // a stale replica would end an output early
	_, err := s.open(ctx, s.Core, cfg)
	return err
}

// OpenBucket finds or makes the stream of the NATS KV bucket that shows
// bucket, with history versions of each key. js.KeyValue opens it as well.
// since is the revision that dropped the bucket last: a stream from before it
// shows what is no more, and is made anew.
func (s *Streams) OpenBucket(ctx context.Context, store, bucket string, history int, since uint64) (*jetstream.StreamInfo, error) {
	cfg := s.durable(s.Names.KVStream(bucket), s.Names.KVSubject(bucket, ">"), kindView, store)
	cfg.MaxMsgsPerSubject = int64(min(max(history, 1), MaxProjectedHistory))
	cfg.Discard, cfg.DenyDelete = jetstream.DiscardNew, true
	cfg.AllowRollup, cfg.AllowDirect = true, true
	if cfg.Replicas == 1 {
		cfg.PersistMode = jetstream.AsyncPersistMode // a view needs no fsync of its own
	}
	if since > 0 {
		cfg.Metadata[markSince] = strconv.FormatUint(since, 10)
	}
	info, err := s.open(ctx, s.view(), cfg)
	if err == nil && sinceOf(info) < since {
		if err = s.DeleteBucket(ctx, store, bucket); err == nil {
			info, err = s.open(ctx, s.view(), cfg)
		}
	}
	if err != nil || info.Config.MaxMsgsPerSubject == cfg.MaxMsgsPerSubject {
		return info, err
	}
	changed := info.Config
	changed.MaxMsgsPerSubject = cfg.MaxMsgsPerSubject
	err = ask(ctx, func(ctx context.Context) error {
		_, err := s.view().UpdateStream(ctx, changed)
		return err
	})
	return info, err
}

func sinceOf(info *jetstream.StreamInfo) uint64 {
	since, _ := strconv.ParseUint(info.Config.Metadata[markSince], 10, 64) // absent: never dropped
	return since
}

// DeleteBucket deletes the stream that shows a bucket of the store, if there is one.
//
// Errors: ErrForeignStream for a stream of that name that is not ours, which
// stays; those of the server.
func (s *Streams) DeleteBucket(ctx context.Context, store, bucket string) error {
	info, err := streamInfo(ctx, s.view(), s.Names.KVStream(bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = s.check(info.Config, kindView, store)
	}
	if err != nil {
		return err
	}
	err = ask(ctx, func(ctx context.Context) error { return s.view().DeleteStream(ctx, info.Config.Name) })
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// Buckets lists the streams of the store's buckets by bucket name.
func (s *Streams) Buckets(ctx context.Context, store string) ([]string, error) {
	var names []string
	err := ask(ctx, func(ctx context.Context) error {
		names = nil
		list := s.view().ListStreams(ctx, jetstream.WithStreamListSubject(kvSubjects))
		for info := range list.Info() {
			if m := info.Config.Metadata; m[markKind] == kindView && m[markNamespace] == s.Names.Namespace &&
				(store == "" || m[markStore] == store) {
				names = append(names, s.bucketOf(info.Config.Name))
			}
		}
		return list.Err()
	})
	return names, err
}

// Shown returns the newest revision that any bucket of the store shows: what
// the log must not be behind. nc is a connection to the buckets' account.
func (s *Streams) Shown(ctx context.Context, nc *nats.Conn, store string) (revision uint64, err error) {
	buckets, err := s.Buckets(ctx, store)
	if err != nil {
		return 0, err
	}
	for _, b := range buckets {
		m, err := messageOf(ctx, nc, s.Names.KVStream(b), whichMessage{Subject: s.Names.KVSubject(b, ">")})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("look at the bucket %s: %w", b, err)
		}
		if shown := readShown(m.Header, math.MaxUint64); shown.ours {
			revision = max(revision, shown.upTo.revision)
		}
	}
	return revision, nil
}

// bucketOf is the inverse of Names.KVStream.
func (s *Streams) bucketOf(stream string) string { return stream[len(s.Names.KVStream("")):] }

func (s *Streams) view() jetstream.JetStream {
	if s.View == nil {
		return s.Core
	}
	return s.View
}

// noRemains refuses to make an empty log beside what an older one left.
func (s *Streams) noRemains(ctx context.Context) error {
	_, err := streamInfo(ctx, s.Core, s.Names.CheckpointStream())
	if err == nil {
		return s.logIsGone("the checkpoint stream " + s.Names.CheckpointStream())
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	buckets, err := s.Buckets(ctx, "")
	if err != nil {
		return err
	}
	if len(buckets) > 0 {
		return s.logIsGone("the bucket " + s.Names.KVBucket(buckets[0]))
	}
	return nil
}

func (s *Streams) logIsGone(beside string) error {
	return bus.NewError(bus.CodeStore, "the log %s is missing although %s is there", s.Names.LogStream(), beside).
		WithHint("bring the log back from a backup; to start empty, delete the streams that are left")
}

// durable is what all our streams have in common.
func (s *Streams) durable(name, subject, kind, store string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		Replicas: max(s.Replicas, 1), MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Metadata: map[string]string{
			markKind: kind, markFormat: strconv.Itoa(StreamFormat), markStore: store, markNamespace: s.Names.Namespace,
		},
	}
}

// open finds the stream of cfg, or makes it, and checks its mark.
func (s *Streams) open(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	for {
		info, err := streamInfo(ctx, js, cfg.Name)
		if err == nil {
			return info, s.check(info.Config, cfg.Metadata[markKind], cfg.Metadata[markStore])
		}
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, err
		}
		err = ask(ctx, func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, cfg)
			return err
		})
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil, fmt.Errorf("make the stream %s: %w", cfg.Name, err)
		}
	}
}

// check refuses a stream that is not ours, not this store's, or too new.
func (s *Streams) check(cfg jetstream.StreamConfig, kind, store string) error {
	m := cfg.Metadata
	if m[markKind] != kind || m[markNamespace] != s.Names.Namespace {
		return fmt.Errorf("%w: %s has no mark of ours; use another namespace, or move it away", ErrForeignStream, cfg.Name)
	}
	if store != "" && m[markStore] != store {
		return fmt.Errorf("%w: %s belongs to the store %s, not %s", ErrForeignStream, cfg.Name, m[markStore], store)
	}
	format, err := strconv.Atoi(m[markFormat])
	if err != nil || format < 1 {
		return bus.NewError(bus.CodeStore, "the stream %s has the format %q, which is none", cfg.Name, m[markFormat])
	}
	if format > StreamFormat {
		return bus.NewError(bus.CodeStore, "the stream %s was made by a newer version (format %d; this is format %d)",
			cfg.Name, format, StreamFormat).WithHint("use that version")
	}
	return nil
}

// streamInfo asks the stream's leader.
func streamInfo(ctx context.Context, js jetstream.JetStream, name string, opts ...jetstream.StreamInfoOpt) (info *jetstream.StreamInfo, err error) {
	err = ask(ctx, func(ctx context.Context) error {
		s, err := js.Stream(ctx, name)
		if err == nil && len(opts) > 0 {
			info, err = s.Info(ctx, opts...)
		} else if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	return info, err
}

// ask repeats a JetStream API request that may be repeated, until it is
// answered or ctx ends.
func ask(ctx context.Context, request func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, apiTry)
		err := request(try)
		cancel()
		if !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(apiPause):
		}
	}
}

// passing reports whether an API error says only that nobody answered now.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode == errCodeUnavailable || api.ErrorCode == errCodeNotLeader
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrDisconnected) ||
		errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrReconnectBufExceeded)
}
