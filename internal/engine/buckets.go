package engine

import (
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

const (
	// BucketBucket holds the declarations of buckets: key = name. It is in no
	// view and has no events.
	BucketBucket = "_bucket"
	// MaxBuckets bounds the buckets that a store remembers, the dropped ones
	// included, when one is declared.
	MaxBuckets = 1 << 14
	// MaxHistory bounds the history that is declared for a bucket.
	MaxHistory = 1 << 16
)

// declaration is the value of a key in BucketBucket. It stays when the bucket
// is dropped, for the revision of the drop.
type declaration struct {
	History int    // changes kept per key
	Created uint64 // revision that declared it; 0: it is not declared
	Dropped uint64 // revision that dropped it; 0: it never was
}

func (b declaration) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, b.History, b.Created, b.Dropped)
}

func (b *declaration) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &b.History, &b.Created, &b.Dropped)
}

// declare writes a declaration. Encoding it cannot fail: it is plain numbers.
func (tx *Tx) declare(name string, d declaration) {
	value, _ := bus.Marshal(d)
	tx.Put(BucketBucket, name, value)
}

// DeclareBucket makes an empty bucket that keeps history changes of each key.
//
// Errors: CodeExists when it is declared already, by a layer too, or holds
// keys or what is remembered of deleted ones; CodeUsage for a name or a
// history that cannot be; CodeFull beyond MaxBuckets.
func (tx *Tx) DeclareBucket(name string, history int) error {
	switch _, layers := tx.s.declared[name]; {
	case history < 1 || history > MaxHistory:
		return bus.NewError(bus.CodeUsage, "a bucket keeps 1 to %d changes of a key, not %d", MaxHistory, history)
	case name == "" || strings.HasPrefix(name, "_"):
		return bus.NewError(bus.CodeUsage, "%q is no name of a bucket", name)
	case layers || tx.s.exists(name):
		return bus.NewError(bus.CodeExists, "bucket %s exists", name).WithHint("remove it first: its history goes with it")
	case tx.s.buckets.Len() >= MaxBuckets:
		return bus.NewError(bus.CodeFull, "the store has %d buckets, the removed ones included; more cannot be declared", MaxBuckets)
	}
	old, _ := tx.s.dynamic.Get(name)
	tx.declare(name, declaration{History: history, Created: tx.Revision(), Dropped: old.Dropped})
	return nil
}

// DropBucket makes a bucket that has no keys as if it had never been: its
// declaration and everything that is remembered of its past go, and the views
// delete what shows it. Reads of that past are bus.ErrCompacted
// (TestDropBucket).
//
// Errors: CodeNotFound when there is no such bucket; CodeDenied for one of a
// layer; CodeUsage when it has keys, or this transaction has changed any.
func (tx *Tx) DropBucket(name string) error {
	if _, layers := tx.s.declared[name]; layers {
		return bus.NewError(bus.CodeDenied, "bucket %s belongs to a layer of the host: it cannot be removed", name)
	}
	if !tx.s.exists(name) {
		return bus.NewError(bus.CodeNotFound, "there is no bucket %s", name)
	}
	k, ok := tx.s.buckets.Get(name)
	if ok && k.live.Len() > 0 || tx.changed(name) {
		return bus.NewError(bus.CodeUsage, "bucket %s has keys, or had before this transaction", name).WithHint("delete them first")
	}
	tx.declare(name, declaration{Dropped: tx.Revision()})
	return nil
}

// Keys is how many keys a bucket has.
func (tx *Tx) Keys(bucket string) int {
	if k, ok := tx.s.buckets.Get(bucket); ok {
		return k.live.Len()
	}
	return 0
}

// changed tells whether the transaction has changed keys of a bucket.
func (tx *Tx) changed(bucket string) bool {
	for _, c := range tx.changes {
		if c != nil && c.Bucket == bucket {
			return true
		}
	}
	return false
}

// exists tells whether a bucket is declared by a user, or remembers anything.
func (s *keyspace) exists(name string) bool {
	if d, _ := s.dynamic.Get(name); d.Created != 0 {
		return true
	}
	k, ok := s.buckets.Get(name)
	return ok && k.live.Len()+k.dead.Len() > 0
}

// shownBuckets calls fn with the name of every bucket that views show.
func (s *keyspace) shownBuckets(fn func(name string) bool) {
	s.Buckets(func(name string) bool {
		_, gone := s.dropped(name)
		return gone || fn(name)
	})
}

// dropped is the revision that dropped the bucket last, 0 for none, and
// whether nothing has come into it since.
func (s *keyspace) dropped(name string) (revision uint64, gone bool) {
	d, _ := s.dynamic.Get(name)
	return d.Dropped, d.Dropped != 0 && !s.exists(name)
}

// follow takes up the newest change of a key in BucketBucket; nil: there is none.
func (s *state) follow(name string, c *bus.Change) {
	var d declaration
	if c == nil || c.Op == bus.OpDelete || bus.Unmarshal(c.Value, &d) != nil {
		s.dynamic.Delete(name)
		return
	}
	s.dynamic.Set(name, d)
	s.touch(name)
}

// forgetPast drops what is remembered of the bucket if c dropped it, and
// returns what was there, to put it back.
func (s *state) forgetPast(c *bus.Change) *keys {
	if d, _ := s.dynamic.Get(c.Key); d.Dropped != c.Revision {
		return nil
	}
	k := s.touch(c.Key)
	old := k.copy(k.round)
	k.dead.Scan(func(_ string, sl *slot) bool { s.forget(k, sl); return true })
	k.dead.Clear()
	k.floor = c.Revision
	return old
}

// remember undoes forgetPast.
func (s *state) remember(name string, old *keys) {
	k := s.touch(name)
	s.count(k, old.bytes-k.bytes)
	k.dead, k.floor = *old.dead.Copy(), old.floor
}

// BucketStat is what is known of a bucket.
type BucketStat struct {
	History  int    // changes kept per key
	Declared bool   // by a user; else it came with its first key, or a layer has it
	Created  uint64 // revision that declared it; 0: it is not declared
	Keys     int
	Bytes    int64  // that keys, history and tombstones take, about
	Floor    uint64 // of what was before, parts are no longer known
}

// BucketStat describes a bucket; false where there is none.
func (v *View) BucketStat(name string) (BucketStat, bool) {
	if !v.exists(name) {
		if _, layers := v.e.buckets[name]; !layers {
			return BucketStat{}, false
		}
	}
	d, _ := v.dynamic.Get(name)
	st := BucketStat{History: v.e.Bucket(name).History, Declared: d.Created != 0, Created: d.Created}
	if st.Declared {
		st.History = d.History
	}
	if k, ok := v.buckets.Get(name); ok {
		st.Keys, st.Bytes, st.Floor = k.live.Len(), k.bytes, k.floor
	}
	return st, true
}
