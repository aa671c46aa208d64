package host_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// kept is a mirror and a session that have to live through what becomes of
// their host.
type kept struct {
	t       *testing.T
	kv      *kvbucket.Bucket
	mirror  *kvbucket.Mirror
	session *kvbucket.Session
	puts    int
}

func newKept(t *testing.T, kv *kvbucket.Bucket, open func() (*kvbucket.Session, error)) *kept {
	t.Helper()
	k := &kept{t: t, kv: kv}
	var err error
	if k.session, err = open(); err != nil {
		t.Fatal(err)
	}
	if k.mirror, err = kv.Mirror(testContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.mirror.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// check writes under the session, and compares mirror and host.
func (k *kept) check() {
	k.t.Helper()
	ctx := testContext(k.t)
	k.puts++
	r, err := k.kv.Put(ctx, fmt.Sprint("k", k.puts), nil, kvbucket.OwnedBy(k.session.Owner()))
	if err != nil {
		k.t.Fatal(err)
	}
	s, err := k.mirror.WaitRevision(ctx, r)
	if err != nil {
		k.t.Fatal(err)
	}
	list, err := k.kv.List(ctx, kvbucket.Range{}, kvbucket.At(s.Revision()))
	if err != nil {
		k.t.Fatal(err)
	}
	var want []string
	for _, e := range list {
		want = append(want, e.Key)
	}
	if got := s.Keys(kvbucket.Range{}); !slices.Equal(want, got) || len(got) != k.puts {
		k.t.Fatalf("want %v, got %v", want, got)
	}
	if err := k.session.Err(); err != nil {
		k.t.Fatal(err)
	}
}

// end closes the session: what it owns goes, here and there.
func (k *kept) end() {
	k.t.Helper()
	ctx := testContext(k.t)
	if err := k.session.Close(); err != nil {
		k.t.Fatal(err)
	}
	r, err := k.kv.Put(ctx, "last", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	s, err := k.mirror.WaitRevision(ctx, r)
	if err != nil {
		k.t.Fatal(err)
	}
	if want, got := []string{"last"}, s.Keys(kvbucket.Range{}); !slices.Equal(want, got) {
		k.t.Fatalf("want %v, got %v", want, got)
	}
}

// TestMirrorOverRestarts: a mirror and a session live through restarts of the
// host.
func TestMirrorOverRestarts(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	k := newKept(t, bucket(t, c), func() (*kvbucket.Session, error) {
		return kvbucket.OpenSession(testContext(t), c, kvbucket.SessionConfig{TTL: 20 * time.Second})
	})
	for range 3 {
		k.check()
		bed.Restart()
		k.check()
	}
	k.end()
}

// TestMirrorOverTakeover: … and through another process that becomes the host,
// and through its own becoming it.
func TestMirrorOverTakeover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	join := func() *host.Session {
		s, err := host.Join(testContext(t), host.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	first, last := join(), join()
	k := newKept(t, bucket(t, last.Conn()), func() (*kvbucket.Session, error) {
		return kvbucket.OpenSession(testContext(t), last.Conn(), kvbucket.SessionConfig{TTL: 20 * time.Second})
	})
	k.check()
	closeHost(t, first.Close)
	k.check()
	if !last.Hosting() {
		t.Fatal("want the one that is left to be the host")
	}
	k.check()
	k.end()
}
