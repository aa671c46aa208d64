package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) ownerRegisterCommand() *cobra.Command {
	var ttl time.Duration
	c := &cobra.Command{
		Use:   "register ID [-- CMD [ARG]…]",
		Short: "Register an owner, for as long as a command runs",
		Long: "Register an owner and run CMD: the owner lives as long as CMD does, and a host that hears nothing of this\n" +
			"program for the time of --ttl ends it. CMD has LWJ_OWNER and LWJ_TOKEN: what lwj writes in it under this\n" +
			"owner is fenced by the token. It gets SIGTERM when the owner is lost, and the signals that would end this\n" +
			"program. The exit code is that of CMD, 128+n when signal n ended it.\n\n" +
			"Without CMD, print the token: the owner lives for the time of --ttl, or else until lwj kv owner end.\n" +
			"An id that is registered already is exit code 4.",
		Example: "  lwj kv owner register me -- sh -c 'lwj kv put here yes --owner me; lwj kv get here'\n  lwj kv get here --default gone\n" +
			"  lwj kv owner register you --ttl 1m",
		Args: atLeast(1, "the id of an owner"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkLease(cmd.Flags().Changed("ttl"), ttl); err != nil {
				return err
			}
			switch dash := cmd.ArgsLenAtDash(); {
			case dash < 0 && len(args) > 1 || dash > 1:
				return usagef("%s takes one id, not %q too: a command follows --", cmd.CommandPath(), args[1])
			case dash == 0:
				return usagef("%s needs the id of an owner before --", cmd.CommandPath())
			case dash == len(args):
				return usagef("%s needs a command behind --", cmd.CommandPath())
			case args[0] == "":
				return usagef("the id of the owner is empty")
			}
			return k.registerOwner(cmd.Context(), args[0], ttl, args[1:])
		},
	}
	c.Flags().DurationVar(&ttl, "ttl", 0, fmt.Sprintf("the host keeps the owner for `D` when it hears nothing; with CMD %v by default", kvbucket.DefaultLease))
	return c
}

func checkLease(given bool, ttl time.Duration) error {
	if given && (ttl < kvbucket.MinLease || ttl > kvbucket.MaxLease) {
		return usagef("--ttl %v: it is %v to %v", ttl, kvbucket.MinLease, kvbucket.MaxLease)
	}
	return nil
}

func (k *kv) registerOwner(ctx context.Context, id string, ttl time.Duration, command []string) error {
	if len(command) == 0 {
		return k.with(ctx, func(l *link) error { return k.leaveOwner(ctx, l, id, ttl) })
	}
	if err := checkCommand(command); err != nil {
		return err
	}
	return k.with(ctx, func(l *link) error { return k.runOwner(ctx, l, id, ttl, command) })
}

// leaveOwner registers an owner that outlives this program.
func (k *kv) leaveOwner(ctx context.Context, l *link, id string, ttl time.Duration) error {
	info := processInfo()
	o, err := kvbucket.RegisterOwner(ctx, l.Conn, id, ttl, info)
	if err != nil {
		return err
	}
	return k.print(newOwnerJSON(&kvbucket.OwnerInfo{Owner: o, TTL: ttl, Left: ttl, Info: info}), utoa(o.Token)+"\n")
}

// runOwner runs a command in a session.
func (k *kv) runOwner(ctx context.Context, l *link, id string, ttl time.Duration, command []string) error {
	s, err := kvbucket.OpenSession(ctx, l.Conn, kvbucket.SessionConfig{ID: id, TTL: ttl, Info: processInfo(), Logger: k.log})
	if err != nil {
		return err
	}
	c := k.command(command, envOwner+"="+s.ID(), envToken+"="+utoa(s.Token()))
	c.Stdin = k.In
	code, err := k.runChild(ctx, c, s.Lost())
	if lost := s.Err(); lost != nil {
		k.say("lwj: %s: the command was sent SIGTERM", visible(oneLine(lost.Error())))
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	return errQuiet(code)
}

// processInfo is who registers an owner, for people.
func processInfo() string {
	host, _ := os.Hostname() // without a name it is as good
	return fmt.Sprintf("host %s, pid %d", host, os.Getpid())
}
