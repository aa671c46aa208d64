package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// ownerModel is the oracle of owners: which key is owned by whom, and when
// whoever has a lease ends. Times are since the model began.
type ownerModel struct {
	doubts, seen atomic.Int64 // each gives all leases their full time
	sure         atomic.Bool  // the log loses nothing now

	keys map[string]string        // key: owner; "" none, "_" a TTL of its own
	ends map[string]time.Duration // of owners; 0: no lease
	ttls map[string]time.Duration // of keys
	now  time.Duration
}

const modelTTL = 10 * time.Second

// TestOwnerIndexModel runs random writes with owners and TTLs, which fail and
// are rolled back, ends, restarts and waits, on a log that loses
// acknowledgements and writes, against maps: each key has the owner the model
// says, and the index of owners is what a scan of the keys gives.
func TestOwnerIndexModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			faults := rapid.SliceOfN(rapid.SampledFrom([]enginetest.Fault{enginetest.None, enginetest.None, enginetest.None,
				enginetest.LoseAck, enginetest.LoseWrite}), 8, 8).Draw(rt, "faults")
			m := &ownerModel{keys: map[string]string{}, ends: map[string]time.Duration{}, ttls: map[string]time.Duration{}}
			b := newBed(t, owners, func(c *engine.Config) { c.CheckpointAfter, c.Keep = 2000, time.Nanosecond }, m.unreliable(faults))
			defer b.end()
			for range rapid.IntRange(1, 40).Draw(rt, "length") {
				m.step(rt, b)
				if now := m.doubts.Load(); m.seen.Swap(now) != now {
					m.restarted()
				}
				m.compare(rt, b)
			}
		})
	})
}

// unreliable makes the log lose what faults say, one after the other, while
// the model is not sure.
func (m *ownerModel) unreliable(faults []enginetest.Fault) func(*engine.Config) {
	n := 0
	return func(c *engine.Config) {
		c.OnDoubt = func(error) { m.doubts.Add(1) }
		failing(func([]byte) enginetest.Fault {
			if n++; m.sure.Load() {
				return enginetest.None
			}
			return faults[n%len(faults)]
		})(c)
	}
}

func anyOwner(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(rt, "owner")
}

func (m *ownerModel) step(rt *rapid.T, b *bed) {
	switch rapid.IntRange(0, 9).Draw(rt, "step") {
	case 0:
		id := anyOwner(rt)
		if _, is := m.ends[id]; is {
			return
		}
		ttl := time.Duration(rapid.IntRange(0, 1).Draw(rt, "ttl")) * modelTTL
		b.register(id, ttl)
		if m.ends[id] = 0; ttl > 0 {
			m.ends[id] = m.now + ttl
		}
	case 1:
		id := anyOwner(rt)
		if _, is := m.ends[id]; is {
			b.endBy(id)
			m.end(id)
		}
	case 2:
		b.restart()
		m.restarted()
	case 3:
		m.pass(rapid.SampledFrom([]time.Duration{time.Second, 4 * time.Second, modelTTL}).Draw(rt, "pass"))
	default:
		m.write(rt, b)
	}
}

// end is what the end of an owner leaves.
func (m *ownerModel) end(id string) {
	delete(m.ends, id)
	maps.DeleteFunc(m.keys, func(_, owner string) bool { return owner == id })
}

// restarted gives every lease its full time.
func (m *ownerModel) restarted() {
	for id, at := range m.ends {
		if at > 0 {
			m.ends[id] = m.now + modelTTL
		}
	}
	for key := range m.ttls {
		m.ttls[key] = m.now + modelTTL
	}
}

// pass lets time pass, with half a second more for what is due to be done.
func (m *ownerModel) pass(d time.Duration) {
	d += time.Second / 2
	m.sure.Store(true)
	pass(d)
	m.sure.Store(false)
	m.now += d
	for id, at := range m.ends {
		if at > 0 && at < m.now {
			m.end(id)
		}
	}
	for key, at := range m.ttls {
		if at < m.now {
			delete(m.ttls, key)
			delete(m.keys, key)
		}
	}
}

// write runs one to six steps in one transaction; some fail at the end.
func (m *ownerModel) write(rt *rapid.T, b *bed) {
	after, ttls := maps.Clone(m.keys), maps.Clone(m.ttls)
	var all []step
	refused := bus.Code("")
	for range rapid.IntRange(1, 6).Draw(rt, "steps") {
		key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "key")
		kind := rapid.SampledFrom([]string{"own", "own", "free", "put", "del", "ttl"}).Draw(rt, "kind")
		s := step{Kind: kind, Key: key, TTL: modelTTL.Milliseconds()}
		if kind == "own" {
			s.Owner = anyOwner(rt)
			if _, is := m.ends[s.Owner]; !is {
				refused = bus.CodeNoOwner
			}
		}
		all = append(all, s)
		m.apply(s, after, ttls)
	}
	if refused == "" && rapid.IntRange(0, 4).Draw(rt, "fail") == 0 {
		all, refused = append(all, step{Kind: "fail"}), bus.CodeUsage
	}
	if got := b.try(all...); got != refused {
		rt.Fatalf("%+v: want %q got %q", all, refused, got)
	}
	if refused == "" {
		m.keys, m.ttls = after, ttls
	}
}

func (m *ownerModel) apply(s step, keys map[string]string, ttls map[string]time.Duration) {
	if s.Kind == "put" {
		if _, ok := keys[s.Key]; !ok { // else its owner stays
			keys[s.Key] = ""
		}
		return
	}
	delete(ttls, s.Key)
	switch s.Kind {
	case "own":
		keys[s.Key] = s.Owner
	case "free":
		keys[s.Key] = ""
	case "del":
		delete(keys, s.Key)
	case "ttl":
		keys[s.Key], ttls[s.Key] = "_", m.now+modelTTL
	}
}

func (m *ownerModel) compare(rt *rapid.T, b *bed) {
	var want, got []string
	for key, owner := range m.keys {
		want = append(want, key+":"+owner)
	}
	b.e.Snapshot().Range("b", "", nil, func(c *bus.Change) bool {
		owner := c.Owner
		if strings.HasPrefix(owner, "_") {
			owner = "_"
		}
		got = append(got, c.Key+":"+owner)
		return true
	})
	if slices.Sort(want); !slices.Equal(want, got) {
		rt.Fatalf("want %v got %v", want, got)
	}
	if got := b.keyLeases(); got != len(m.ttls) {
		rt.Fatalf("want %d leases of keys, got %d", len(m.ttls), got)
	}
	for id := range m.ends {
		owned := 0
		for _, owner := range m.keys {
			if owner == id {
				owned++
			}
		}
		if o := b.owner(id); o.Keys != owned {
			rt.Fatalf("%s: want %d keys, got %s", id, owned, fmt.Sprintf("%+v", o))
		}
	}
	b.check()
}
