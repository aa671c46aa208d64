package cli

import (
	"strings"

	"github.com/lwjbus/lwjbus/atomic"
)

// wordCommand is one of the commands of atomic: an operation and how it is told.
type wordCommand struct {
	op         atomic.Op
	use        string
	what       string // its arguments, for who leaves some out
	operands   int    // numbers behind the key
	comparison bool   // they begin with a comparison, which is the operation
	after      bool   // has the flag --after
	short      string
	long       string
	example    string
}

// What most commands take.
const (
	keyOnly      = "a key"
	keyAndNumber = "a key and a number"
)

// wordCommands are the commands of atomic.
func wordCommands() []wordCommand {
	const ended = "If it is not, nothing is written, and the exit code is 4. Either way the value before is printed."
	return []wordCommand{
		computing(atomic.Add, "add KEY N", "Add N and print the value before", "  lwj atomic add visitors 1\n  lwj atomic add visitors -1 --after"),
		computing(atomic.Sub, "sub KEY N", "Subtract N and print the value before", "  lwj atomic store left 10\n  lwj atomic sub left 3 --after"),
		{op: atomic.AddIfEqual, use: "addif KEY OP X Y", what: "a key, an operator and two numbers", operands: 3, comparison: true, after: true,
			short: "Add Y if the word compares with X",
			long: "Add Y if the word compares with X as OP says: " + strings.Join(comparisons(), ", ") + " (less, less or equal, greater, greater\n" +
				"or equal, equal, not equal). " + ended,
			example: "  lwj atomic addif sold lt 100 1\n  lwj atomic addif sold gt 0 -1"},
		exchange("xchg KEY N"), exchange("store KEY N"),
		{op: atomic.Load, use: "load KEY", what: keyOnly, short: "Print the word", example: "  lwj kv put visitors 7\n  lwj atomic load visitors --must-exist"},
		{op: atomic.CompareAndSwap, use: "cas KEY OLD NEW", what: "a key and two numbers", operands: 2,
			short: "Set the word to NEW if it is OLD", long: "Set the word to NEW if it is OLD. " + ended,
			example: "  lwj atomic cas turn 0 1\n  lwj atomic cas turn 1 2"},
		computing(atomic.And, "and KEY N", "Keep the bits that N has, too", "  lwj atomic store flags 7\n  lwj atomic and flags 5 --after"),
		computing(atomic.Or, "or KEY N", "Set the bits of N", "  lwj atomic or flags 2"),
		computing(atomic.Xor, "xor KEY N", "Flip the bits of N", "  lwj atomic xor flags -1 --after"),
		computing(atomic.Min, "min KEY N", "Set the word to N if that is lower", "  lwj atomic min fastest -3"),
		computing(atomic.Max, "max KEY N", "Set the word to N if that is higher", "  lwj atomic max slowest 250 --after"),
		{op: atomic.Remove, use: "rm KEY", what: keyOnly, short: "Delete the word and print the value before",
			long:    "Delete the word and print the value before: 0 where the key is absent. A key that holds no word stays.",
			example: "  lwj atomic add visitors 1\n  lwj atomic rm visitors"},
	}
}

// computing is a command with one operand that computes.
func computing(op atomic.Op, use, short, example string) wordCommand {
	return wordCommand{op: op, use: use, what: keyAndNumber, operands: 1, after: true, short: short, example: example}
}

// exchange is store, under either of its names.
func exchange(use string) wordCommand {
	name, _, _ := strings.Cut(use, " ")
	return wordCommand{op: atomic.Store, use: use, what: keyAndNumber, operands: 1, short: "Set the word to N and print the value before",
		example: "  lwj atomic " + name + " visitors 0"}
}

// read reads the arguments behind the key.
func (s *wordCommand) read(args []string) (op atomic.Op, x, y int64, err error) {
	op = s.op
	if s.comparison {
		var ok bool
		if op, ok = atomic.Comparison(args[0]); !ok {
			return 0, 0, 0, usagef("%q is no comparison: it is one of %s", args[0], strings.Join(comparisons(), ", "))
		}
		args = args[1:]
	}
	for i, n := range []*int64{&x, &y} {
		if i < len(args) && err == nil {
			*n, err = wordNumber(args[i])
		}
	}
	return op, x, y, err
}

// comparisons are the operators of addif.
func comparisons() (names []string) {
	for op := atomic.AddIfLess; op <= atomic.AddIfNotEqual; op++ {
		names = append(names, op.String())
	}
	return names
}
