package bus

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func at(revisions ...uint64) []*Change {
	var cs []*Change
	for _, r := range revisions {
		cs = append(cs, &Change{Revision: r})
	}
	return cs
}

func revisionsOf(cs []*Change) []uint64 {
	var rs []uint64
	for _, c := range cs {
		rs = append(rs, c.Revision)
	}
	return rs
}

func TestChainOffer(t *testing.T) {
	t.Parallel()
	begun := chain{known: 10, epoch: 2, incarnation: 1, begun: true}
	for _, c := range []struct {
		name  string
		chain chain
		feed  Feed
		want  verdict
		fresh []uint64
		known uint64
	}{
		{"before the first page", chain{known: 10}, Feed{Previous: 10, Changes: at(11)}, gapped, nil, 10},
		{"joins on", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 10, Changes: at(11, 11, 12)}, joined, []uint64{11, 11, 12}, 12},
		{"joins on to an older one of the bucket", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 7, Changes: at(12)}, joined, []uint64{12}, 12},
		{"overlaps a page", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 7, Changes: at(8, 10, 11)}, joined, []uint64{11}, 11},
		{"gap", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 11, Changes: at(12)}, gapped, nil, 10},
		{"again", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 9, Changes: at(10)}, stale, nil, 10},
		{"new epoch", begun, Feed{Incarnation: 1, Epoch: 3, Previous: 10, Changes: at(11)}, gapped, nil, 10},
		{"new epoch without news", begun, Feed{Incarnation: 1, Epoch: 3, Previous: 10}, gapped, nil, 10},
		{"late message of an old epoch", begun, Feed{Incarnation: 1, Epoch: 1, Previous: 9, Changes: at(10)}, stale, nil, 10},
		{"unknown message of an old epoch", begun, Feed{Incarnation: 1, Epoch: 1, Previous: 10, Changes: at(11)}, gapped, nil, 10},
		{"round too large for a message", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 11}, gapped, nil, 10},
		{"nothing new announced", begun, Feed{Incarnation: 1, Epoch: 2, Previous: 10}, stale, nil, 10},
		{"new incarnation", begun, Feed{Incarnation: 2, Epoch: 3, Previous: 10, Changes: at(11)}, gapped, nil, 10},
		{"old incarnation", chain{known: 10, incarnation: 3, begun: true}, Feed{Incarnation: 2, Changes: at(11)}, stale, nil, 10},
		{"single without epoch", begun, Feed{Previous: 3, Changes: at(12)}, joined, []uint64{12}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fresh, got := c.chain.offer(&c.feed)
			if got != c.want || c.chain.known != c.known {
				t.Errorf("want verdict %d and known %d, got %d and %d", c.want, c.known, got, c.chain.known)
			}
			if diff := cmp.Diff(c.fresh, revisionsOf(fresh)); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func TestChainPage(t *testing.T) {
	t.Parallel()
	begun := chain{known: 10, epoch: 2, incarnation: 1, begun: true}
	for _, c := range []struct {
		name  string
		chain chain
		page  Page
		code  Code
		more  bool
		fresh []uint64
		known uint64
	}{
		{"first", chain{known: 4}, Page{Incarnation: 7, Revision: 9, Changes: at(5, 8)}, "", false, []uint64{5, 8}, 9},
		{"from a revision to come", chain{known: 40}, Page{Incarnation: 7, Revision: 9}, "", false, nil, 40},
		{"last", begun, Page{Incarnation: 1, Revision: 13, Changes: at(11, 13)}, "", false, []uint64{11, 13}, 13},
		{"one of more", begun, Page{Incarnation: 1, Revision: 13, Next: 12, Changes: at(11)}, "", true, []uint64{11}, 11},
		{"older changes in it", begun, Page{Incarnation: 1, Revision: 13, Changes: at(9, 10, 11)}, "", false, []uint64{11}, 13},
		{"older host", begun, Page{Incarnation: 1, Revision: 8}, "", false, nil, 10},
		{"other incarnation", begun, Page{Incarnation: 2, Revision: 13}, CodeCompacted, false, nil, 10},
		{"does not go on", begun, Page{Incarnation: 1, Revision: 13, Next: 11}, CodeMalformed, false, nil, 10},
		{"out of order", begun, Page{Incarnation: 1, Revision: 13, Changes: at(12, 11)}, CodeMalformed, false, nil, 10},
		{"beyond its end", begun, Page{Incarnation: 1, Revision: 13, Next: 12, Changes: at(12)}, CodeMalformed, false, nil, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fresh, more, err := c.chain.page(&c.page)
			if CodeOf(err) != c.code || more != c.more || c.chain.known != c.known {
				t.Errorf("want %q, more %v, known %d, got %v, %v, %d", c.code, c.more, c.known, err, more, c.chain.known)
			}
			if diff := cmp.Diff(c.fresh, revisionsOf(fresh)); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func TestTransaction(t *testing.T) {
	t.Parallel()
	first, rest := transaction(at(3, 3, 4))
	if diff := cmp.Diff([]uint64{3, 3}, revisionsOf(first)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint64{4}, revisionsOf(rest)); diff != "" {
		t.Error(diff)
	}
}

// modelHost commits transactions of one bucket among those of others, and
// publishes them as a host does.
type modelHost struct {
	epoch, revision uint64
	lastOfFeed      uint64
	log             []*Change
	wire            []*Feed // published, not delivered
}

func (h *modelHost) commit(t *rapid.T) {
	f := &Feed{Incarnation: 1, Epoch: h.epoch, Previous: h.lastOfFeed}
	for range rapid.IntRange(1, 3).Draw(t, "transactions") {
		h.revision++
		n := rapid.IntRange(0, 3).Draw(t, "changes") // 0: of another bucket
		for i := range n {
			c := &Change{Revision: h.revision, Part: uint32(i + 1), Parts: uint32(n)}
			f.Changes, h.log = append(f.Changes, c), append(h.log, c)
			h.lastOfFeed = h.revision
		}
	}
	if len(f.Changes) > 0 {
		h.wire = append(h.wire, f)
	}
}

func (h *modelHost) page(t *rapid.T, from uint64) *Page {
	p := &Page{Incarnation: 1, Epoch: h.epoch, Revision: h.revision}
	limit := rapid.IntRange(1, 6).Draw(t, "page")
	for _, c := range h.log {
		if c.Revision < from {
			continue
		}
		if n := len(p.Changes); n >= limit && p.Changes[n-1].Revision != c.Revision {
			p.Next = c.Revision
			break
		}
		p.Changes = append(p.Changes, c)
	}
	return p
}

// TestFollowerModel drops, doubles, delays and reorders feed messages, changes
// epochs, loses buffers and reads pages at any moment. What the follower's
// parts hand on must be the log, once and in order, and all of it in the end.
func TestFollowerModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		host := &modelHost{epoch: 1}
		for range rapid.IntRange(0, 5).Draw(t, "before") {
			host.commit(t)
		}
		host.wire = nil
		from := rapid.Uint64Range(1, host.revision+1).Draw(t, "from")
		c := chain{known: from - 1}
		var got []*Change
		deliver := func(i int) {
			f := host.wire[i]
			fresh, v := c.offer(f)
			if v == gapped {
				return // the follower keeps it, and reads a page before it offers it again
			}
			got = append(got, fresh...)
		}
		read := func() {
			fresh, _, err := c.page(host.page(t, c.known+1))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fresh...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": host.commit,
			"epoch":  func(*rapid.T) { host.epoch++ },
			"deliver": func(t *rapid.T) {
				if len(host.wire) > 0 {
					deliver(rapid.IntRange(0, len(host.wire)-1).Draw(t, "message"))
				}
			},
			"in order": func(t *rapid.T) {
				for i := range host.wire {
					deliver(i)
				}
			},
			"drop": func(t *rapid.T) {
				if n := len(host.wire); n > 0 {
					host.wire = host.wire[rapid.IntRange(0, n).Draw(t, "lost"):]
				}
			},
			"page": func(*rapid.T) { read() },
			"": func(t *rapid.T) {
				want := revisionsOf(host.log[len(host.log)-len(above(host.log, from-1)):])
				have := revisionsOf(got)
				if len(have) > len(want) || !slices.Equal(want[:len(have)], have) {
					t.Fatalf("want the beginning of %v, got %v", want, have)
				}
				for _, c := range above(host.log, from-1) {
					if c.Revision <= lastOf(got) && len(have) < len(revisionsOf(upTo(host.log, from, c.Revision))) {
						t.Fatalf("want transaction %d whole, got %v", c.Revision, have)
					}
				}
			},
		})
		for c.known < host.revision {
			read()
		}
		if want := above(host.log, from-1); !slices.Equal(want, got) {
			t.Fatalf("want %v, got %v", revisionsOf(want), revisionsOf(got))
		}
	})
}

func lastOf(cs []*Change) uint64 {
	if len(cs) == 0 {
		return 0
	}
	return cs[len(cs)-1].Revision
}

func upTo(log []*Change, from, to uint64) []*Change {
	var cs []*Change
	for _, c := range log {
		if c.Revision >= from && c.Revision <= to {
			cs = append(cs, c)
		}
	}
	return cs
}
