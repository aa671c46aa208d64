package atomic

import (
	"math"
	"math/bits"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// Op is an operation on a word. Its numbers stand on the wire and never change.
type Op uint8

// The operations. Those of the AddIf family add y if the word compares with x.
const (
	Load Op = iota
	Store
	Add
	Sub
	And
	Or
	Xor
	Min
	Max
	CompareAndSwap
	AddIfLess
	AddIfLessOrEqual
	AddIfGreater
	AddIfGreaterOrEqual
	AddIfEqual
	AddIfNotEqual
	Remove
)

// opNames are the names of the operations, in their order; those of the AddIf
// family are the comparison's.
func opNames() []string {
	return []string{"load", "store", "add", "sub", "and", "or", "xor", "min", "max", "cas", "lt", "le", "gt", "ge", "eq", "ne", "rm"}
}

// String is the operation's name: "add", "cas", "lt" for AddIfLess.
func (o Op) String() string {
	if names := opNames(); int(o) < len(names) {
		return names[o]
	}
	return "unknown operation"
}

// Comparison returns the AddIf of a comparison: lt, le, gt, ge, eq or ne.
func Comparison(name string) (Op, bool) {
	op := Op(max(slices.Index(opNames(), name), 0))
	return op, op.adds()
}

func (o Op) adds() bool { return o >= AddIfLess && o <= AddIfNotEqual }

// writes tells whether the operation is known and one that may write.
func (o Op) writes() bool { return o > Load && o <= Remove }

// apply is the whole meaning of the operations: what becomes of a word, and
// whether the operation's condition was met.
//
// Errors: ErrOverflow.
func (o Op) apply(word, x, y int64) (after int64, met bool, err error) {
	switch o {
	case Load:
		after = word
	case Store:
		after = x
	case Remove:
		after = 0
	case Add:
		after, err = add(word, x)
	case Sub:
		after, err = sub(word, x)
	case And:
		after = word & x
	case Or:
		after = word | x
	case Xor:
		after = word ^ x
	case Min:
		after = min(word, x)
	case Max:
		after = max(word, x)
	default:
		return o.applyIf(word, x, y)
	}
	return after, true, err
}

// applyIf is apply for the operations with a condition.
func (o Op) applyIf(word, x, y int64) (after int64, met bool, err error) {
	if !o.holds(word, x) {
		return word, false, nil
	}
	if o == CompareAndSwap {
		return y, true, nil
	}
	after, err = add(word, y)
	return after, true, err
}

// holds tells whether the condition is met.
func (o Op) holds(word, x int64) bool {
	switch o {
	case CompareAndSwap, AddIfEqual:
		return word == x
	case AddIfNotEqual:
		return word != x
	case AddIfLess:
		return word < x
	case AddIfLessOrEqual:
		return word <= x
	case AddIfGreater:
		return word > x
	default:
		return word >= x
	}
}

func add(a, b int64) (int64, error) {
	sum, _ := bits.Add64(uint64(a), uint64(b), 0)
	if s := int64(sum); (s > a) == (b > 0) {
		return s, nil
	}
	return a, overflow(a, "+", b)
}

func sub(a, b int64) (int64, error) {
	diff, _ := bits.Sub64(uint64(a), uint64(b), 0)
	if d := int64(diff); (d < a) == (b > 0) {
		return d, nil
	}
	return a, overflow(a, "-", b)
}

func overflow(a int64, op string, b int64) error {
	return bus.NewError(bus.CodeOverflow, "%d %s %d is outside %d to %d", a, op, b, int64(math.MinInt64), int64(math.MaxInt64))
}
