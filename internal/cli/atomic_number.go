package cli

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// hidden stands before a negative number among the arguments of a command of
// atomic while flags are read, to which it would look like one. No argument of
// a process has such a byte.
const hidden = "\x00"

// hideNegatives hides the negative numbers of a command line of atomic;
// showNegatives shows them again.
func hideNegatives(root *cobra.Command, args []string) []string {
	c, _, err := root.Find(args)
	if err != nil || !c.HasParent() || c.Parent().Name() != "atomic" {
		return args
	}
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "-") && arg != "-" && strings.Trim(arg[1:], "0123456789") == "" {
			args[i] = hidden + arg
		}
	}
	return args
}

func showNegatives(args []string) {
	for i := range args {
		args[i] = strings.TrimPrefix(args[i], hidden)
	}
}

// wordNumber reads a number that a word can be.
func wordNumber(arg string) (int64, error) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return 0, usagef("%q is no word: a word is a whole number from %d to %d", arg, int64(math.MinInt64), int64(math.MaxInt64))
	}
	return n, nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
