package kvbucket_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// bucket is a Bucket whose errors end the test.
type bucket struct {
	*kvbucket.Bucket
	t    testing.TB
	ctx  context.Context
	conn *bus.Conn
}

func openBucket(t testing.TB, c *bus.Conn, name string) bucket {
	t.Helper()
	b, err := kvbucket.Open(c, name)
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return bucket{b, t, ctx, c}
}

func (b bucket) put(key, value string, opts ...kvbucket.PutOption) uint64 {
	b.t.Helper()
	r, err := b.Put(b.ctx, key, []byte(value), opts...)
	check(b.t, err)
	return r
}

func (b bucket) delete(key string) {
	b.t.Helper()
	if ok, err := b.Delete(b.ctx, key); err != nil || !ok {
		b.t.Fatalf("delete %q: want it gone, got %v, %v", key, ok, err)
	}
}

func (b bucket) get(key string, opts ...kvbucket.GetOption) *kvbucket.Entry {
	b.t.Helper()
	e, err := b.Get(b.ctx, key, opts...)
	check(b.t, err)
	return e
}

// list returns "key=value" of a range.
func (b bucket) list(r kvbucket.Range, opts ...kvbucket.ListOption) []string {
	b.t.Helper()
	list, err := b.List(b.ctx, r, opts...)
	check(b.t, err)
	return lines(list)
}

func (b bucket) history(key string) []string {
	b.t.Helper()
	list, err := b.History(b.ctx, key)
	check(b.t, err)
	return lines(list)
}

func (b bucket) revision() uint64 {
	b.t.Helper()
	r, err := kvbucket.Revision(b.ctx, b.conn)
	check(b.t, err)
	return r
}

func (b bucket) watch(opts ...kvbucket.WatchOption) watch {
	b.t.Helper()
	w, err := b.Watch(b.ctx, opts...)
	check(b.t, err)
	b.t.Cleanup(func() { w.Close() })
	return watch{w, b}
}

// watch is a Watch whose errors end the test.
type watch struct {
	*kvbucket.Watch
	b bucket
}

func (w watch) next() kvbucket.Event {
	w.b.t.Helper()
	e, err := w.Next(w.b.ctx)
	check(w.b.t, err)
	return e
}

// want compares the next events, as eventLine writes them.
func (w watch) want(lines ...string) {
	w.b.t.Helper()
	got := make([]string, 0, len(lines))
	for range lines {
		got = append(got, eventLine(w.next()))
	}
	same(w.b.t, lines, got)
}

// eventLine is "key=value", "-key" or "caught up"; then the filter; then "+"
// when more of the transaction follows.
func eventLine(e kvbucket.Event) string {
	switch {
	case e.CaughtUp:
		return "caught up"
	case e.Entry == nil:
		return "progress"
	}
	line := entryLine(e.Entry)
	if e.Filter != "" {
		line += " " + e.Filter
	}
	if e.More {
		line += " +"
	}
	return line
}

func entryLine(e *kvbucket.Entry) string {
	if e.Op == bus.OpDelete {
		return "-" + e.Key
	}
	return fmt.Sprintf("%s=%s", e.Key, e.Value)
}

func lines(list []*kvbucket.Entry) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, entryLine(e))
	}
	return out
}

func same(t failer, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}

// refused checks the kind of an error and the revision it carries.
func refused(t failer, err, want error, revision uint64) {
	t.Helper()
	var e *bus.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Revision != revision {
		t.Fatalf("want %v with revision %d, got %#v", want, revision, err)
	}
}
