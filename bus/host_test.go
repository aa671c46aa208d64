package bus

import (
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
)

// fakeHost answers requests and keeps a log of changes of the bucket "kv".
type fakeHost struct {
	nc    *nats.Conn
	names Names

	mu          sync.Mutex
	answer      func(n int, req *Request) *Response // n counts from 1; a nil Response is no answer
	requests    []Request
	log         []*Change
	incarnation uint64
	epoch       uint64
	revision    uint64
	lastOfFeed  uint64
	floor       uint64 // pages from below it are compacted
	mute        bool   // feed messages are lost
	pageSize    int
}

func newFakeHost(t *testing.T, nc *nats.Conn, answer func(n int, req *Request) *Response) *fakeHost {
	t.Helper()
	h := &fakeHost{nc: nc, names: Names{DefaultNamespace}, answer: answer, incarnation: 1, epoch: 1, pageSize: 100}
	sub, err := nc.Subscribe(h.names.API("*", ">"), h.serve)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return h
}

func (h *fakeHost) serve(m *nats.Msg) {
	var req Request
	if err := Unmarshal(m.Data, &req); err != nil {
		return
	}
	h.mu.Lock()
	h.requests = append(h.requests, req)
	n, answer := len(h.requests), h.answer
	h.mu.Unlock()
	if answer == nil {
		answer = h.replay
	}
	if res := answer(n, &req); res != nil {
		b, _ := Marshal(res)
		_ = m.Respond(b)
	}
}

func (h *fakeHost) seen() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Request(nil), h.requests...)
}

// replay answers a request whose body is the revision to start from.
func (h *fakeHost) replay(_ int, req *Request) *Response {
	var from uint64
	if err := Unmarshal(req.Body, &from); err != nil {
		return &Response{Error: NewError(CodeUsage, "%v", err)}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if from < h.floor {
		return &Response{Error: NewError(CodeCompacted, "gone").WithRevision(h.floor)}
	}
	p := Page{Incarnation: h.incarnation, Epoch: h.epoch, Revision: h.revision}
	for _, c := range h.log {
		n := len(p.Changes)
		switch {
		case c.Revision < from:
			continue
		case n >= h.pageSize && p.Changes[n-1].Revision != c.Revision:
			p.Next = c.Revision
		default:
			p.Changes = append(p.Changes, c)
			continue
		}
		break
	}
	body, _ := Marshal(&p)
	return &Response{Revision: h.revision, Incarnation: h.incarnation, Epoch: h.epoch, Body: body}
}

// commit makes one transaction of the keys, and publishes it.
func (h *fakeHost) commit(keys ...string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revision++
	f := Feed{Incarnation: h.incarnation, Epoch: h.epoch, Previous: h.lastOfFeed}
	for i, k := range keys {
		c := &Change{Bucket: "kv", Key: k, Op: OpPut, Value: []byte{}, Part: uint32(i + 1), Parts: uint32(len(keys)),
			Revision: h.revision, Previous: h.previousLocked(k), Version: 1}
		h.log, f.Changes = append(h.log, c), append(f.Changes, c)
	}
	if len(keys) > 0 {
		h.lastOfFeed = h.revision
	}
	if !h.mute {
		h.publishLocked(&f)
	}
	return h.revision
}

func (h *fakeHost) previousLocked(key string) uint64 {
	for i := len(h.log) - 1; i >= 0; i-- {
		if h.log[i].Key == key {
			return h.log[i].Revision
		}
	}
	return 0
}

func (h *fakeHost) publishLocked(f *Feed) {
	b, _ := Marshal(f)
	_ = h.nc.Publish(h.names.Feed("kv"), b)
	for _, c := range f.Changes {
		m := nats.NewMsg(h.names.Key("kv", c.Key))
		m.Header = c.Header(HeaderEpoch, strconv.FormatUint(f.Epoch, 10), HeaderIncarnation, strconv.FormatUint(f.Incarnation, 10))
		_ = h.nc.PublishMsg(m)
	}
}

func (h *fakeHost) set(change func(*fakeHost)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}
