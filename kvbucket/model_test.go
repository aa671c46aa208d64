package kvbucket_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// model is a bucket as it should be: every version of every key.
type model struct {
	revision uint64 // of the namespace
	versions map[string][]version
}

// version is a change; a delete has no value.
type version struct {
	revision uint64
	value    *string
}

func (m *model) change(key string, value *string) uint64 {
	m.revision++
	m.versions[key] = append(m.versions[key], version{m.revision, value})
	return m.revision
}

// at returns the version at a revision, nil where there is none.
func (m *model) at(key string, revision uint64) *version {
	var is *version
	for i, v := range m.versions[key] {
		if v.revision <= revision {
			is = &m.versions[key][i]
		}
	}
	if is == nil || is.value == nil {
		return nil
	}
	return is
}

// current is the revision of the key, 0 where it does not exist.
func (m *model) current(key string) uint64 {
	if v := m.at(key, m.revision); v != nil {
		return v.revision
	}
	return 0
}

// list returns the lines of a range at a revision; compacted is the first
// revision that works, if this one does not.
func (m *model) list(r kvbucket.Range, revision uint64, history int) (out []string, compacted uint64) {
	out = []string{}
	for key, vs := range m.versions {
		if !r.Contains(key) {
			continue
		}
		if n := len(vs) - history; n > 0 && revision < vs[n].revision {
			compacted = max(compacted, vs[n].revision)
		}
		if v := m.at(key, revision); v != nil {
			out = append(out, key+"="+*v.value)
		}
	}
	slices.Sort(out)
	return out, compacted
}

func (m *model) history(key string) (out []string) {
	vs := m.versions[key]
	for _, v := range vs[max(0, len(vs)-2):] {
		if v.value == nil {
			out = append(out, "-"+key)
		} else {
			out = append(out, key+"="+*v.value)
		}
	}
	return out
}

// TestModel compares a bucket of history 2 with the model, step by step.
func TestModel(t *testing.T) {
	t.Parallel()
	if engine.DefaultHistory == 2 {
		t.Fatal("the bucket under test is to differ from the default")
	}
	h := newBed(t)
	c := h.direct(t)
	b := openBucket(t, c, bucketOfTwo)
	rapid.Check(t, func(rt *rapid.T) {
		// All runs share the host: each begins with keys of its own.
		mine := fmt.Sprintf("%08x/", b.revision())
		m := &model{revision: b.revision(), versions: map[string][]version{}}
		begin := m.revision
		key := rapid.Map(rapid.StringMatching(`[ab\x00]{1,2}`), func(s string) string { return mine + s })
		value := rapid.StringN(0, 3, 3)
		within := func(t *rapid.T) kvbucket.Range {
			from := key.Draw(t, "from")
			return rapid.SampledFrom([]kvbucket.Range{kvbucket.Prefix(mine), kvbucket.Prefix(from), kvbucket.Between(from, key.Draw(t, "to"))}).Draw(t, "range")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), value.Draw(t, "value")
				r, err := b.Put(b.ctx, k, []byte(v))
				check(t, err)
				same(t, m.change(k, &v), r)
			},
			"put if": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), value.Draw(t, "value")
				is, want := m.current(k), rapid.Uint64Range(begin, m.revision).Draw(t, "if")
				want = rapid.SampledFrom([]uint64{0, want, is}).Draw(t, "which")
				r, err := b.Put(b.ctx, k, []byte(v), kvbucket.IfRevision(want))
				if want != is {
					refused(t, err, kvbucket.ErrRevision, is)
					return
				}
				check(t, err)
				same(t, m.change(k, &v), r)
			},
			"create": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), value.Draw(t, "value")
				r, err := b.Create(b.ctx, k, []byte(v))
				if is := m.current(k); is != 0 {
					refused(t, err, kvbucket.ErrExists, is)
					return
				}
				check(t, err)
				same(t, m.change(k, &v), r)
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				is, was := m.current(k) != 0, false
				was, err := b.Delete(b.ctx, k)
				check(t, err)
				same(t, is, was)
				if is {
					m.change(k, nil)
				}
			},
			"get at": func(t *rapid.T) {
				k, at := key.Draw(t, "key"), rapid.Uint64Range(begin, m.revision).Draw(t, "at")
				_, compacted := m.list(kvbucket.Between(k, k+"\x00"), at, 2)
				e, err := b.Get(b.ctx, k, kvbucket.At(at))
				switch want := m.at(k, at); {
				case compacted != 0:
					refused(t, err, kvbucket.ErrCompacted, compacted)
				case want == nil:
					refused(t, err, kvbucket.ErrNotFound, at)
				default:
					check(t, err)
					same(t, []any{*want.value, want.revision}, []any{string(e.Value), e.Revision})
				}
			},
			"list at": func(t *rapid.T) {
				r, at := within(t), rapid.Uint64Range(begin, m.revision).Draw(t, "at")
				want, compacted := m.list(r, at, 2)
				list, err := b.List(b.ctx, r, kvbucket.At(at))
				keys, errKeys := b.Keys(b.ctx, r, kvbucket.At(at))
				n, errCount := b.Count(b.ctx, r, kvbucket.At(at))
				if compacted != 0 {
					for _, err := range []error{err, errKeys, errCount} {
						refused(t, err, kvbucket.ErrCompacted, compacted)
					}
					return
				}
				check(t, errors.Join(err, errKeys, errCount))
				same(t, want, sorted(list))
				same(t, [2]int{len(want), len(want)}, [2]int{len(keys), n})
			},
			"history": func(t *rapid.T) {
				k := key.Draw(t, "key")
				list, err := b.History(b.ctx, k)
				if len(m.versions[k]) == 0 {
					refused(t, err, kvbucket.ErrNotFound, m.revision)
					return
				}
				check(t, err)
				same(t, m.history(k), lines(list))
			},
			"watch from": func(t *rapid.T) {
				r, from := within(t), rapid.Uint64Range(begin+1, m.revision+1).Draw(t, "from")
				got, err := backlog(b, kvbucket.Ranges(r), kvbucket.Since(from))
				if errors.Is(err, kvbucket.ErrCompacted) && m.firstKept(r) > from {
					return
				}
				check(t, err)
				same(t, m.changes(r, from), got)
			},
			"watch from the start": func(t *rapid.T) {
				r := within(t)
				got, err := backlog(b, kvbucket.Ranges(r), kvbucket.FromStart())
				check(t, err)
				// The engine may answer from a scan of a moment ago: it has
				// versions that the history has dropped since.
				first := m.firstKept(r)
				got = slices.DeleteFunc(got, func(r uint64) bool { return r < first })
				same(t, m.changes(r, first), got)
			},
			"": func(t *rapid.T) {
				r := within(t)
				list, err := b.List(b.ctx, r)
				check(t, err)
				want, _ := m.list(r, m.revision, 1)
				same(t, want, sorted(list))
				same(t, m.revision, b.revision())
			},
		})
	})
}

// changes returns the revisions of the changes of a range from one on.
func (m *model) changes(r kvbucket.Range, from uint64) (out []uint64) {
	for key, vs := range m.versions {
		for _, v := range vs {
			if r.Contains(key) && v.revision >= from {
				out = append(out, v.revision)
			}
		}
	}
	slices.Sort(out)
	return out
}

// firstKept is the first revision from which every change of a range is among
// the last two of its key.
func (m *model) firstKept(r kvbucket.Range) (first uint64) {
	for key, vs := range m.versions {
		if n := len(vs) - 2; n > 0 && r.Contains(key) {
			first = max(first, vs[n-1].revision+1)
		}
	}
	return first
}

// backlog returns the revisions that a watch returns until it has caught up.
func backlog(b bucket, opts ...kvbucket.WatchOption) (out []uint64, err error) {
	w, err := b.Watch(b.ctx, opts...)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for {
		e, err := w.Next(b.ctx)
		if err != nil || e.CaughtUp {
			return out, err
		}
		out = append(out, e.Revision)
	}
}

func sorted(list []*kvbucket.Entry) []string {
	out := lines(list)
	slices.Sort(out)
	return out
}

// FuzzKey: a key is refused by its rules, or it comes back as it was.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"", "a", "a.b", "..", "=", "_", "*", ">", "漢字", "\xff", "\x00", "%25", "\xed\xa0\x80", strings.Repeat("é", 512), strings.Repeat("é", 513)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		b := openBucket(t, fuzzConn(t), "test")
		r, err := b.Put(b.ctx, key, []byte(key))
		switch {
		case key == "":
			if !errors.Is(err, kvbucket.ErrEmptyKey) {
				t.Fatalf("want ErrEmptyKey, got %v", err)
			}
			return
		case len(key) > kvbucket.MaxKey || strings.ToValidUTF8(key, "") != key:
			if !errors.Is(err, kvbucket.ErrInvalidKey) || bus.CodeOf(err) != bus.CodeUsage || strings.Contains(err.Error(), "\n") {
				t.Fatalf("want one line of ErrInvalidKey, got %v", err)
			}
			return
		}
		check(t, err)
		e := b.get(key)
		same(t, []any{key, key, r}, []any{e.Key, string(e.Value), e.Revision})
		same(t, []string{key + "=" + key}, b.list(kvbucket.Prefix(key)))
		same(t, []string{key + "=" + key}, b.history(key))
		b.watch(kvbucket.Keys(key), kvbucket.FromStart()).want(key+"="+key+" key:"+key, "caught up")
	})
}

// fuzzConn is a connection to a host of its own.
func fuzzConn(t *testing.T) *bus.Conn { return newBed(t).network(t) }
