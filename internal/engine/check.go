package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lwjbus/lwjbus/bus"
)

// CheckLog folds the whole log anew and compares the result with the newest
// snapshot: replay(log) == state; the index of owners and the counts of bytes
// are compared with a scan. It is for tests and for lwj doctor; it reads
// everything. A log that was trimmed has no beginning, and one that lost
// records lacks what a checkpoint saved: nothing is compared then, and whole
// is false.
func (e *Engine) CheckLog(ctx context.Context) (whole bool, err error) {
	snap := e.Snapshot()
	if err := errors.Join(newState(e.buckets).checkOwned(&snap.keyspace), snap.checkBytes()); err != nil {
		return false, err
	}
	first, err := e.cfg.Log.First(ctx)
	if err != nil || first > 1 {
		return false, err
	}
	f := &Engine{cfg: e.cfg, buckets: e.buckets, once: newOnce(), incarn: 1}
	f.head = newState(e.buckets)
	_, err = e.cfg.Log.Read(ctx, 1, func(seq uint64, data []byte) error {
		if f.head.revision >= snap.revision {
			return nil // acknowledged after the snapshot was taken
		}
		return f.fold(seq, data, func(h *header) { f.incarn = h.Incarnation })
	})
	if f.incarn > 1 {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if err := f.head.same(&snap.keyspace); err != nil {
		return true, err
	}
	return true, f.head.checkOwned(&f.head.keyspace)
}

// checkBytes compares the bytes of the buckets with those of all.
func (s *Snapshot) checkBytes() error {
	var sum int64
	s.buckets.Scan(func(_ string, k *keys) bool { sum += k.bytes; return true })
	if sum != s.bytes {
		return fmt.Errorf("the buckets have %d bytes, the state %d", sum, s.bytes)
	}
	return nil
}

// checkOwned compares the index of owners with a scan of all keys, and the
// leases of single keys with what they own.
func (s *state) checkOwned(ks *keyspace) error {
	n := 0
	var errs []error
	ks.Buckets(func(b string) bool {
		ks.Range(b, "", nil, func(c *bus.Change) bool {
			if b == OwnerBucket && isTTLOwner(c.Key) {
				errs = append(errs, ks.checkLease(c))
			}
			if c.Owner == "" || !s.indexes(b) {
				return true
			}
			n++
			if is, _ := ks.owned.Get(c); is != c {
				errs = append(errs, fmt.Errorf("%s/%s is owned by %q (token %d), the index says %+v", b, c.Key, c.Owner, c.Token, is))
			}
			if isTTLOwner(c.Owner) && ks.Get(OwnerBucket, c.Owner) == nil {
				errs = append(errs, fmt.Errorf("%s/%s is owned by %q, which is not registered", b, c.Key, c.Owner))
			}
			return true
		})
		return true
	})
	if n != ks.owned.Len() {
		errs = append(errs, fmt.Errorf("%d keys are owned, the index has %d", n, ks.owned.Len()))
	}
	return errors.Join(errs...)
}

// checkLease tells whether the lease of a key has that key, and nothing else.
func (s *keyspace) checkLease(c *bus.Change) error {
	_, token, ok := readRegistration(c)
	n := 0
	s.Owned(Owner{c.Key, token}, func(*bus.Change) bool { n++; return true })
	if !ok || n != 1 {
		return fmt.Errorf("the lease %q of a key owns %d keys", c.Key, n)
	}
	return nil
}

// same compares a fold of the log with a state.
func (s *state) same(state *keyspace) (err error) {
	if err := sameKeys(&s.keyspace, state); err != nil {
		return err
	}
	state.Buckets(func(b string) bool {
		if is, want := s.floor(b), state.floor(b); is != want && !s.declared[b].Transient {
			err = fmt.Errorf("bucket %s: the log folds to the floor %d, the state has %d", b, is, want)
		}
		return err == nil
	})
	return err
}

// sameKeys compares the live keys of two keyspaces.
func sameKeys(fold, state *keyspace) error {
	if fold.revision != state.revision {
		return fmt.Errorf("the log folds to revision %d, the state is at %d", fold.revision, state.revision)
	}
	var err error
	state.Buckets(func(b string) bool {
		n := 0
		state.Range(b, "", nil, func(c *bus.Change) bool {
			n++
			err = sameChange(fold.Get(b, c.Key), c)
			return err == nil
		})
		fold.Range(b, "", nil, func(*bus.Change) bool { n--; return true })
		if err == nil && n != 0 {
			err = fmt.Errorf("bucket %s: the log folds to another number of keys than the state (%+d)", b, n)
		}
		return err == nil
	})
	return err
}

func sameChange(fold, state *bus.Change) error {
	if fold == nil {
		return fmt.Errorf("%s/%s: in the state, not in the fold of the log", state.Bucket, state.Key)
	}
	a, b := *fold, *state
	same := bytes.Equal(a.Value, b.Value)
	a.Value, b.Value = nil, nil
	if !same || fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("%s/%s: the fold of the log is %+v, the state %+v", state.Bucket, state.Key, a, b)
	}
	return nil
}
