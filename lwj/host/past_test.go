package host_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// shed is a host whose memory is so short that it gives up the past of keys.
type shed struct {
	*testing.T
	ctx   context.Context
	bed   *natstest.Bed
	kv    *kvbucket.Bucket
	conns []*bus.Conn
	fill  int
}

func newShed(t *testing.T) *shed {
	t.Helper()
	bed := natstest.New(t, func(c *host.Config) { c.Quota = 1 << 20 })
	s := &shed{T: t, ctx: testContext(t), bed: bed, conns: []*bus.Conn{bed.Conn(), bed.Direct()}}
	s.kv = s.open(s.conns[0])
	return s
}

func (s *shed) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shed) open(c *bus.Conn) *kvbucket.Bucket {
	s.Helper()
	kv, err := kvbucket.Open(c, "kv")
	s.must(err)
	return kv
}

// put puts n versions of a key, large enough to make room when they go.
func (s *shed) put(key string, n int) {
	s.Helper()
	for i := range n {
		_, err := s.kv.Put(s.ctx, key, fmt.Appendf(nil, "%s %4096d", key, i))
		s.must(err)
	}
}

// squeeze fills the memory until the past of a key has left it, and is in the
// views.
func (s *shed) squeeze(key string) {
	s.Helper()
	other, err := kvbucket.Open(s.conns[0], "other")
	s.must(err)
	for !s.bed.Host().Engine().View("").Shed("kv", key, 0) {
		s.fill++
		_, err := other.Put(s.ctx, fmt.Sprint(s.fill), make([]byte, 4096))
		s.must(err)
	}
	s.must(s.bed.Host().Engine().Flush(s.ctx))
}

// history is the history of a key, the same over every connection.
func (s *shed) history(key string) (list []*kvbucket.Entry) {
	s.Helper()
	for i, c := range s.conns {
		got, err := s.open(c).History(s.ctx, key)
		s.must(err)
		if i > 0 && !reflect.DeepEqual(list, got) {
			s.Fatalf("want the same over all connections, got %d and %d versions", len(list), len(got))
		}
		list = got
	}
	return list
}

// wantHistory compares the history of a key.
func (s *shed) wantHistory(key string, want []*kvbucket.Entry) {
	s.Helper()
	got := s.history(key)
	if !reflect.DeepEqual(want, got) {
		s.Fatalf("want %d versions from revision %d, got %d from %d", len(want), want[0].Revision, len(got), got[0].Revision)
	}
}

// wantPast reads the key at every revision from the first of its history on:
// everything below is compacted, if anything was.
func (s *shed) wantPast(key string, history []*kvbucket.Entry) {
	s.Helper()
	for _, c := range s.conns {
		kv := s.open(c)
		for i, want := range history {
			got, err := kv.Get(s.ctx, key, kvbucket.At(want.Revision))
			switch {
			case want.Op == bus.OpDelete && errors.Is(err, kvbucket.ErrNotFound):
			case err != nil || !reflect.DeepEqual(want, got):
				s.Fatalf("version %d: want %+v, got %+v (%v)", i, want, got, err)
			}
			bare, err := kv.Get(s.ctx, key, kvbucket.At(want.Revision), kvbucket.MetaOnly())
			if want.Op == bus.OpPut && (err != nil || bare.Version != want.Version || bare.Value != nil) {
				s.Fatalf("version %d without its value: got %+v (%v)", i, bare, err)
			}
		}
		s.wantBefore(kv, key, history[0])
	}
}

func (s *shed) wantBefore(kv *kvbucket.Bucket, key string, first *kvbucket.Entry) {
	s.Helper()
	_, err := kv.Get(s.ctx, key, kvbucket.At(first.Revision-1))
	if first.Previous == 0 {
		if !errors.Is(err, kvbucket.ErrNotFound) {
			s.Fatalf("before its first version: want %v, got %v", kvbucket.ErrNotFound, err)
		}
		return
	}
	s.wantCompacted(err, first.Revision)
}

func (s *shed) wantCompacted(err error, first uint64) {
	s.Helper()
	var e *bus.Error
	if !errors.As(err, &e) || e.Code != bus.CodeCompacted || e.Revision != first {
		s.Fatalf("want compacted with the first revision %d, got %#v", first, err)
	}
}

func (s *shed) views() jetstream.JetStream {
	s.Helper()
	nc, err := s.bed.Host().View()
	s.must(err)
	s.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	s.must(err)
	return js
}

// TestK22FromView: when memory is short the history and the past of a key are
// what they were: exactly the last versions, from memory and view together,
// also after a restart. Ranges, and watches, have what memory has.
func TestK22FromView(t *testing.T) {
	t.Parallel()
	s := newShed(t)
	s.put("a", kvbucket.DefaultHistory-9)
	_, err := s.kv.Delete(s.ctx, "a")
	s.must(err)
	s.put("a", 13)
	s.put("0", 3)
	want, short := s.history("a"), s.history("0")
	if len(want) != kvbucket.DefaultHistory || want[0].Previous == 0 || short[0].Previous != 0 {
		t.Fatalf("want %d versions of more, and 3 of 3, got %d, %d", kvbucket.DefaultHistory, len(want), len(short))
	}
	s.squeeze("a")
	s.wantHistory("a", want)
	s.wantHistory("0", short)
	s.wantPast("a", want)
	s.wantPast("0", short)
	at := want[10].Revision
	_, err = s.kv.List(s.ctx, kvbucket.Prefix("a"), kvbucket.At(at))
	s.wantCompacted(err, want[len(want)-1].Revision)

	s.put("a", 5) // memory and view each have a part
	last, err := s.kv.Get(s.ctx, "a")
	s.must(err)
	grown := s.history("a")
	if len(grown) != len(want) || grown[0].Revision != want[5].Revision || grown[len(grown)-1].Revision != last.Revision {
		t.Fatalf("want the last %d versions, got %d from revision %d", len(want), len(grown), grown[0].Revision)
	}
	s.must(s.bed.Host().Engine().Flush(s.ctx))
	s.wantPast("a", grown)
	s.bed.Restart()
	s.conns = []*bus.Conn{s.bed.Conn(), s.bed.Direct()}
	s.wantHistory("a", grown)
	s.wantPast("a", grown)
}

// TestK23PurgedView: what somebody took out of a view is compacted, with the
// first revision that works.
func TestK23PurgedView(t *testing.T) {
	t.Parallel()
	s := newShed(t)
	s.bed.Unchecked()
	s.put("a", 20)
	s.put("b", 20)
	whole := s.history("b")
	s.squeeze("b")
	stream, err := s.views().Stream(s.ctx, "KV_kv")
	s.must(err)
	s.must(stream.Purge(s.ctx, jetstream.WithPurgeSubject("$KV.kv.b"), jetstream.WithPurgeKeep(5)))
	s.wantHistory("b", whole[15:])
	s.wantPast("b", whole[15:])
	s.must(stream.Purge(s.ctx))
	s.wantHistory("b", whole[19:])
	s.wantPast("b", whole[19:])
	s.must(s.views().DeleteStream(s.ctx, "KV_kv"))
	s.wantHistory("b", whole[19:])
	s.wantPast("b", whole[19:])
}

// TestK24ForeignPast: nobody makes a past by writing into a view: what is not
// ours, not proven by what came after it, or there in two forms, is no past.
func TestK24ForeignPast(t *testing.T) {
	t.Parallel()
	s := newShed(t)
	s.bed.Unchecked()
	for range 10 {
		s.put("a", 1)
		s.put("z", 1) // so that revisions lie between those of a
	}
	whole := s.history("a")
	s.squeeze("a")
	js := s.views()
	stream, err := js.Stream(s.ctx, "KV_kv")
	s.must(err)
	m, err := stream.GetMsg(s.ctx, 7) // the fourth version of a
	s.must(err)
	forge := func(value string, header ...string) {
		t.Helper()
		f := &nats.Msg{Subject: "$KV.kv.a", Data: []byte(value), Header: nats.Header{}}
		for name, v := range m.Header {
			if name != nats.ExpectedLastSeqHdr {
				f.Header[name] = v
			}
		}
		for i := 0; i < len(header); i += 2 {
			f.Header.Set(header[i], header[i+1])
		}
		_, err := js.PublishMsg(s.ctx, f)
		s.must(err)
	}
	_, err = js.Publish(s.ctx, "$KV.kv.a", []byte("no header"))
	s.must(err)
	forge("between", bus.HeaderRevision, "8")
	forge("later", bus.HeaderRevision, "1000000")
	forge(string(m.Data)) // the same again is no lie
	s.wantHistory("a", whole)
	s.wantPast("a", whole)
	forge("another value")
	s.wantHistory("a", whole[4:])
	_, err = s.kv.Get(s.ctx, "a", kvbucket.At(whole[3].Revision))
	s.wantCompacted(err, whole[9].Revision)
	forge("another owner", bus.HeaderOwner, "me")
	s.wantHistory("a", whole[4:])
	s.wantPast("a", whole[4:])
}
