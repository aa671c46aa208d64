package kvbucket

import (
	"errors"
	"fmt"

	"github.com/lwjbus/lwjbus/bus"
)

// check is what client and host ask of a transaction. write says whether a
// bucket may be written.
func (r *txnRequest) check(write func(bucket string) error) error {
	if n := len(r.If); n > MaxOperations {
		return bus.NewError(bus.CodeTooLarge, "%d conditions in one transaction: at most %d are allowed", n, MaxOperations).WithHint("split it")
	}
	for i := range r.If {
		if err := r.If[i].check(); err != nil {
			return r.locate("condition", i, err)
		}
	}
	return checkAll(r.checkBranch(r.Then, write), r.checkBranch(r.Else, write))
}

func (r *txnRequest) checkBranch(ops []wireOp, write func(string) error) error {
	n := 0
	for i := range ops {
		n += max(1, len(ops[i].Keys))
		if err := ops[i].check(write); err != nil {
			return r.locate("operation", i, err)
		}
	}
	if n > MaxOperations {
		return tooMany(n)
	}
	return nil
}

func tooMany(n int) error {
	return bus.NewError(bus.CodeTooLarge, "%d operations in one transaction: at most %d are allowed", n, MaxOperations).WithHint("split it")
}

// locate says which part of a transaction an error is about, unless it has
// just one.
func (r *txnRequest) locate(part string, i int, err error) error {
	if len(r.If) == 0 && len(r.Then) == 1 && len(r.Else) == 0 {
		return err
	}
	var e *bus.Error
	if !errors.As(err, &e) {
		return err
	}
	line := *e
	line.Message = fmt.Sprintf("%s %d: %s", part, i+1, e.Message)
	var u *bus.UsageError
	if errors.As(err, &u) {
		return &bus.UsageError{Kind: u.Kind, Line: &line}
	}
	return &line
}

// check is what client and host ask of an operation.
func (o *wireOp) check(write func(bucket string) error) error {
	bucket := checkBucket
	if o.Kind.writes() {
		bucket = write
	}
	if err := bucket(o.Bucket); err != nil {
		return err
	}
	if err := o.checkOptions(); err != nil {
		return err
	}
	switch o.Kind {
	case opGetRange, opCount, opKeys, opPopRange, opDeleteRange:
		return nil
	case opGet, opExists, opPop, opDelete:
		return checkKey(o.Key)
	case opSetOwner:
		return checkAll(checkKey(o.Key), o.Owner.check())
	case opPut, opCreate, opSetDefault, opSwap:
		return checkAll(checkKey(o.Key), checkValue(o.Key, o.Value), o.Owner.check())
	case opPutAll:
		return checkAll(checkKeys(o.Keys, o.Values), o.Owner.check())
	}
	return bus.NewError(bus.CodeUsage, "operation of kind %d is not known", o.Kind).
		WithHint("client and host are of different versions: compare lwj version")
}

// checkOptions refuses what the operation has no use for, or lacks.
func (o *wireOp) checkOptions() error {
	switch {
	case o.WithKeys && o.Kind != opDeleteRange:
		return bus.NewError(bus.CodeUsage, "only the delete of a range returns keys")
	case o.If != nil && o.Kind != opPut && o.Kind != opSetOwner && o.Kind != opDelete:
		return bus.NewError(bus.CodeUsage, "this operation takes no revision: make it a condition of the transaction")
	case o.Kind == opSetOwner && o.Owner == nil:
		return usage(ErrInvalidOwner, "key %s is given neither a value nor an owner", shown(o.Key))
	}
	return nil
}

// writes tells whether an operation may change its bucket.
func (k opKind) writes() bool { return k >= opPut }

// checkKeys is what client and host ask of keys that are set together.
func checkKeys(keys []string, values [][]byte) error {
	switch {
	case len(keys) != len(values):
		return bus.NewError(bus.CodeMalformed, "%d keys with %d values", len(keys), len(values))
	case len(keys) > MaxOperations:
		return bus.NewError(bus.CodeTooLarge, "%d keys in one transaction: at most %d are allowed", len(keys), MaxOperations).WithHint("split it")
	}
	seen := make(map[string]bool, len(keys))
	for i, key := range keys {
		if err := checkAll(checkKey(key), checkValue(key, values[i])); err != nil {
			return err
		}
		if seen[key] {
			return usage(ErrInvalidKey, "key %s stands twice in one operation", shown(key))
		}
		seen[key] = true
	}
	return nil
}

// check is what client and host ask of a condition.
func (c *wireCond) check() error {
	if c.Kind == condRegistered {
		return checkAll(checkOwnerID(c.Key), c.onlyEqual("a registration"))
	}
	if err := checkAll(c.Operator.check(), checkBucket(c.Bucket), checkKey(c.Key)); err != nil {
		return err
	}
	switch c.Kind {
	case condExists:
		return c.onlyEqual("the existence of a key")
	case condValue:
		return checkValue(c.Key, c.Value)
	case condOwner, condRevision, condVersion:
	default:
		return bus.NewError(bus.CodeUsage, "condition of kind %d is not known", c.Kind).
			WithHint("client and host are of different versions: compare lwj version")
	}
	return nil
}

func (c *wireCond) onlyEqual(what string) error {
	if c.Operator == Equal || c.Operator == NotEqual {
		return nil
	}
	return bus.NewError(bus.CodeUsage, "%s is compared with == and != only, not with %s", what, c.Operator)
}

func (o Operator) check() error {
	switch o {
	case Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual:
		return nil
	}
	return bus.NewError(bus.CodeUsage, "operator %.16q: it is one of == != < <= > >=", string(o))
}

// holds tells whether an operator allows a comparison's outcome: negative,
// zero or positive.
func (o Operator) holds(outcome int) bool {
	switch o {
	case Equal:
		return outcome == 0
	case NotEqual:
		return outcome != 0
	case Less:
		return outcome < 0
	case LessOrEqual:
		return outcome <= 0
	case Greater:
		return outcome > 0
	}
	return outcome >= 0
}
