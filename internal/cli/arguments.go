package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/lwj"
)

// exactly wants n arguments, which what names.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

// atLeast wants n arguments or more.
func atLeast(n int, what string) cobra.PositionalArgs { return between(n, -1, what) }

// between wants from min to max arguments; no bound for max -1.
func between(min, max int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		help := cmd.CommandPath() + " --help"
		switch {
		case len(args) < min:
			return usageError{fmt.Errorf("%s needs %s", cmd.CommandPath(), what), help}
		case max >= 0 && len(args) > max:
			return usageError{fmt.Errorf("%s takes %s, not %q too", cmd.CommandPath(), what, args[max]), help}
		}
		return nil
	}
}

// onlyCommands makes a command that only has others refuse what is none.
func onlyCommands(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return usageError{fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0]), cmd.CommandPath() + " --help"}
	}
}

// jobIDs reads the numbers of jobs.
func jobIDs(args []string) ([]uint64, error) {
	ids := make([]uint64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil || id == 0 {
			return nil, usagef("%q is not a job's number", arg)
		}
		ids[i] = id
	}
	return ids, nil
}

func jobID(arg string) (uint64, error) {
	ids, err := jobIDs([]string{arg})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// states reads the names of states.
func states(names []string) ([]lwj.State, error) {
	out := make([]lwj.State, len(names))
	for i, name := range names {
		s, err := lwj.ParseState(name)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

// pairs reads K=V arguments of a flag.
func pairs(flag string, args []string) (map[string]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(args))
	for _, arg := range args {
		k, v, ok := strings.Cut(arg, "=")
		if !ok || k == "" {
			return nil, usagef("--%s %s: it is not of the form K=V", flag, arg)
		}
		out[k] = v
	}
	return out, nil
}

// notNegative refuses durations and numbers below 0.
func notNegative[T int | int64 | time.Duration](flag string, v T) error {
	if v < 0 {
		return usagef("--%s %v: it is not below 0", flag, v)
	}
	return nil
}
