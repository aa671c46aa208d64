package cli

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/lwj"
)

func (a *app) signalCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "signal N SIG",
		Short:             "Send a signal to the processes of a job",
		Example:           "  lwj run --detach -- sleep 60\n  lwj wait 1 --for running\n  lwj signal 1 TERM\n  lwj wait 1 || echo ended with $?",
		Args:              exactly(2, "a job's number and a signal"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := jobID(args[0])
			if err != nil {
				return err
			}
			sig, err := parseSignal(args[1])
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(l *link) error {
				c := lwj.NewClient(l.Conn)
				return a.eachJob([]uint64{id}, func(ids []uint64) ([]lwj.ItemResult, error) { return c.Signal(cmd.Context(), int(sig), ids...) })
			})
		},
	}
}

// parseSignal reads TERM, SIGTERM or 15.
func parseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && unix.SignalName(syscall.Signal(n)) != "" {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, usagef("%q is not a signal: write TERM, SIGTERM or 15", s)
}
