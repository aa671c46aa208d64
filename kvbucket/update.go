package kvbucket

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// An Update that lost pauses up to updatePause, and half as long after each
// further loss; after updatePauses it does not pause at all.
const (
	updatePause  = 8 * time.Millisecond
	updatePauses = 4
)

// Update reads the key, calls fn with its entry, nil where it is missing, and
// sets the value that fn returns on condition that nobody has written the key
// meanwhile; otherwise it does so again with the newer entry. It returns the
// entry it made. fn may be called often and must not modify the entry. The key
// keeps its owner unless an OwnerOption says otherwise.
//
// Each try is one round trip: it brings the newer entry along. The more often
// an Update lost the shorter it pauses, so that none starves
// (TestBucket, "K11 fifty callers count").
//
// Errors: that of fn, as it is; those of Put.
func (b *Bucket) Update(ctx context.Context, key string, fn func(old *Entry) (value []byte, err error), owner ...OwnerOption) (*Entry, error) {
	old, err := b.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	for lost := 0; ; lost++ {
		value, err := fn(old)
		if err != nil {
			return nil, err
		}
		is, done, err := b.replace(ctx, key, old, value, owner)
		if done || err != nil {
			return is, err
		}
		old = is
		if err := pauseAfter(ctx, lost); err != nil {
			return nil, err
		}
	}
}

// replace sets the key if old is still its newest version, nil for none. It
// returns the entry that is there then, and whether it is the new one.
func (b *Bucket) replace(ctx context.Context, key string, old *Entry, value []byte, owner []OwnerOption) (*Entry, bool, error) {
	var revision uint64
	if old != nil {
		revision = old.Revision
	}
	res, err := b.Commit(ctx, Txn{
		If:   []Cond{RevisionIs(key, Equal, revision)},
		Then: []Op{writeOp(opPut, key, value, owner), OpGet(key).MetaOnly()},
		Else: []Op{OpGet(key)},
	})
	if err != nil {
		return nil, false, err
	}
	is := res.Results[len(res.Results)-1].Entry
	if res.Succeeded && is == nil {
		return nil, false, bus.NewError(bus.CodeMalformed, "the host answered no entry for a key it has set")
	}
	if res.Succeeded {
		is.Value = append([]byte{}, value...)
	}
	return is, res.Succeeded, nil
}

// pauseAfter waits after a number of losses.
func pauseAfter(ctx context.Context, lost int) error {
	if lost >= updatePauses {
		return nil
	}
	t := time.NewTimer(rand.N(updatePause >> lost))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return over(ctx, "update")
	}
}
