package kvbucket

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// Bounds of one transaction's work, so that none holds up the host.
const (
	// maxResults bounds the results of a transaction, in bytes.
	maxResults = engine.MaxRecordBytes - engine.RecordReserve
	// maxVisited bounds the keys that the ranges of a transaction have.
	maxVisited = 1 << 20
)

// evaluation is a transaction while its operations are done, each on what the
// ones before it left.
type evaluation struct {
	tx      *engine.Tx
	bytes   int // of the results so far
	visited int // keys of ranges so far
}

// do evaluates one operation that has been checked.
func (ev *evaluation) do(o *wireOp) (wireResult, error) {
	switch o.Kind {
	case opGetRange, opCount, opKeys:
		return ev.scan(o, nil)
	case opPopRange, opDeleteRange:
		return ev.removeRange(o)
	case opPutAll:
		return wireResult{}, ev.putAll(o)
	}
	c := ev.tx.Get(o.Bucket, o.Key)
	switch o.Kind {
	case opGet:
		return ev.entry(o, c)
	case opExists:
		return wireResult{Count: countOf(c)}, nil
	case opPop:
		ev.tx.Delete(o.Bucket, o.Key, bus.ReasonDeleted)
		return ev.entry(o, c)
	case opDelete:
		if err := compare(c, o.Bucket, o.Key, o.If); err != nil {
			return wireResult{}, err
		}
		ev.tx.Delete(o.Bucket, o.Key, bus.ReasonDeleted)
		return wireResult{Count: countOf(c)}, nil
	}
	return ev.set(o, c)
}

func countOf(c *bus.Change) uint64 {
	if c == nil {
		return 0
	}
	return 1
}

// set does an operation that sets its key. c is what is there.
func (ev *evaluation) set(o *wireOp, c *bus.Change) (wireResult, error) {
	value := o.Value
	switch o.Kind {
	case opSetDefault:
		if c != nil {
			return ev.entry(o, c)
		}
	case opCreate:
		if c != nil {
			return wireResult{}, keyExists(c)
		}
	case opSetOwner:
		if c == nil {
			return wireResult{}, noKey(o.Bucket, o.Key, ev.tx.Revision()-1)
		}
		value = c.Value
	}
	if err := compare(c, o.Bucket, o.Key, o.If); err != nil {
		return wireResult{}, err
	}
	is, err := ev.put(o, o.Key, value)
	switch {
	case err != nil:
		return wireResult{}, err
	case o.Kind == opSwap:
		return ev.entry(o, c)
	case o.Kind == opSetDefault:
		return ev.entry(o, is)
	}
	return wireResult{}, nil
}

func (ev *evaluation) putAll(o *wireOp) error {
	for i, key := range o.Keys {
		if _, err := ev.put(o, key, o.Values[i]); err != nil {
			return err
		}
	}
	return nil
}

// put sets a key and what the operation says of its owner.
func (ev *evaluation) put(o *wireOp, key string, value []byte) (*bus.Change, error) {
	switch to := o.Owner; {
	case to == nil:
		return ev.tx.Put(o.Bucket, key, value), nil
	case to.Kind == ownerNone:
		return ev.tx.PutOwned(o.Bucket, key, value, engine.Owner{}), nil
	case to.Kind == ownerTTL:
		return ev.tx.PutTTL(o.Bucket, key, value, time.Duration(to.TTL)*time.Millisecond), nil
	default:
		owner, err := ev.owner(to)
		if err != nil {
			return nil, err
		}
		return ev.tx.PutOwned(o.Bucket, key, value, owner), nil
	}
}

// owner is the owner that a write names, if it is one.
func (ev *evaluation) owner(to *wireOwner) (engine.Owner, error) {
	is, ok := ev.tx.Owner(to.ID)
	switch {
	case !ok:
		return is, bus.NewError(bus.CodeNoOwner, "owner %s is not registered, or it has ended", shown(to.ID)).
			WithHint("register it first: lwj kv owner register")
	case to.Token != 0 && to.Token != is.Token:
		return is, bus.NewError(bus.CodeFenced, "owner %s has been registered again since (token %d, not %d)", shown(to.ID), is.Token, to.Token).
			WithRevision(is.Token)
	}
	return is, nil
}

// removeRange deletes a range and returns what the operation asks for of it.
func (ev *evaluation) removeRange(o *wireOp) (wireResult, error) {
	var keys []string
	r, err := ev.scan(o, &keys)
	if err != nil {
		return r, err
	}
	if len(keys) > engine.MaxChanges {
		return r, tooWide(o, len(keys))
	}
	for _, key := range keys {
		ev.tx.Delete(o.Bucket, key, bus.ReasonDeleted)
	}
	return r, nil
}

// scan reads a range, and adds its keys to those that are to go.
func (ev *evaluation) scan(o *wireOp, gone *[]string) (r wireResult, err error) {
	entries, keys := o.Kind == opGetRange || o.Kind == opPopRange, o.Kind == opKeys || o.WithKeys
	ev.tx.Range(o.Bucket, o.Key, o.To, func(c *bus.Change) bool {
		if ev.visited++; ev.visited > maxVisited {
			err = tooWide(o, maxVisited)
			return false
		}
		r.Count++
		if gone != nil {
			*gone = append(*gone, c.Key)
		}
		switch {
		case entries:
			err = ev.add(o, &r, c)
		case keys:
			r.Keys = append(r.Keys, c.Key)
			err = ev.spend(len(c.Key) + keyBytes)
		}
		return err == nil
	})
	return r, err
}

// entry is the result of an operation that returns an entry; c may be nil.
func (ev *evaluation) entry(o *wireOp, c *bus.Change) (r wireResult, err error) {
	if c != nil {
		err = ev.add(o, &r, c)
	}
	return r, err
}

func (ev *evaluation) add(o *wireOp, r *wireResult, c *bus.Change) error {
	if o.Bare {
		c = bare(c)
	}
	r.Changes = append(r.Changes, c)
	return ev.spend(len(c.Key) + len(c.Value) + len(c.Owner) + entryBytes)
}

// spend counts what the results take.
func (ev *evaluation) spend(bytes int) error {
	if ev.bytes += bytes; ev.bytes <= maxResults {
		return nil
	}
	return bus.NewError(bus.CodeTooLarge, "the results of the transaction are over %d bytes", maxResults).
		WithHint("read less in one transaction, or list at its revision")
}

func tooWide(o *wireOp, n int) error {
	return bus.NewError(bus.CodeTooLarge, "a range of bucket %s has too many keys for one transaction (%d or more)", o.Bucket, n).
		WithHint("take parts of the range")
}

// The client's bounds are the engine's, or this does not compile.
var (
	_ = [1]struct{}{}[MaxOwnerID-engine.MaxOwnerID]
	_ = [1]struct{}{}[MinTTL-engine.MinTTL]
	_ = [1]struct{}{}[MaxKeyTTL-engine.MaxKeyTTL]
)
