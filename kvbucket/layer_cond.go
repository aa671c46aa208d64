package kvbucket

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// all tells whether every condition holds.
func (ev *evaluation) all(conds []wireCond) bool {
	for i := range conds {
		if !ev.holds(&conds[i]) {
			return false
		}
	}
	return true
}

// holds tells whether one condition does.
func (ev *evaluation) holds(c *wireCond) bool {
	if c.Kind == condRegistered {
		return ev.registered(engine.Owner{ID: c.Key, Token: c.Number}) == (c.Operator == Equal)
	}
	is := ev.tx.Get(c.Bucket, c.Key)
	switch c.Kind {
	case condExists:
		return (is != nil) == (c.Operator == Equal)
	case condOwner:
		return c.ownerHolds(is)
	case condValue:
		if is == nil {
			return c.Operator == NotEqual
		}
		return c.Operator.holds(bytes.Compare(is.Value, c.Value))
	}
	return c.Operator.holds(cmp.Compare(c.numberOf(is), c.Number))
}

// numberOf is the key's revision or version.
func (c *wireCond) numberOf(is *bus.Change) uint64 {
	switch {
	case is == nil:
		return 0
	case c.Kind == condRevision:
		return is.Revision
	}
	return is.Version
}

func (c *wireCond) ownerHolds(is *bus.Change) bool {
	if is == nil || (is.Owner == "") != (len(c.Value) == 0) {
		return c.Operator == NotEqual
	}
	return c.Operator.holds(compareOwners(is.Owner, string(c.Value)))
}

func (ev *evaluation) registered(o engine.Owner) bool {
	if o.Token != 0 {
		return ev.tx.OwnerAlive(o)
	}
	_, ok := ev.tx.Owner(o.ID)
	return ok
}

// compareOwners orders ids: by name, those without a number first, then by
// number. Ids that differ only in leading zeros are bytewise in order.
func compareOwners(a, b string) int {
	nameA, numberA := splitOwner(a)
	nameB, numberB := splitOwner(b)
	return cmp.Or(strings.Compare(nameA, nameB), compareNumbers(numberA, numberB), strings.Compare(a, b))
}

// splitOwner divides name_N; an id without N is all name.
func splitOwner(id string) (name, number string) {
	i := strings.LastIndexByte(id, '_')
	if i < 0 || i == len(id)-1 || strings.Trim(id[i+1:], "0123456789") != "" {
		return id, ""
	}
	return id[:i], id[i+1:]
}

// compareNumbers compares decimal numbers of any length; "" is below all.
func compareNumbers(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
