package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/kvbucket"
)

func (a *app) electCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "elect NAME -- CMD [ARG]…",
		Short: "Run a command while being the leader",
		Long: "Campaign for an election and run CMD while leading it: of all that campaign one leads, the one that has\n" +
			"waited longest. It resigns when CMD ends; the next leads as well when this program dies or the host does\n" +
			"not hear of it for 10 s: CMD gets SIGTERM then. Others see host and pid of the leader as the value of the\n" +
			"key leader.NAME in the bucket lwj-lock.\n\n" + fenceHelp +
			"\n\nThe exit code is that of CMD, 128+n when signal n ended it; 124 when --timeout passed before.",
		Example: "  lwj elect coordinator -- sh -c 'lwj kv -b lwj-lock get leader.coordinator'",
		Args:    atLeast(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, command, err := nameAndCommand(cmd, args)
			if err != nil {
				return err
			}
			return a.runHolding(cmd.Context(), &holding{"elect " + name, timeout, command, func(ctx context.Context, s *kvbucket.Session) (*held, error) {
				return leadFor(ctx, s, name)
			}})
		},
	}
	timeoutFlag(c, &timeout, "wait to lead for `D` at most; 0: for ever")
	return c
}

func leadFor(ctx context.Context, s *kvbucket.Session, name string) (*held, error) {
	e, err := atomic.OpenElection(s.Conn(), name)
	if err != nil {
		return nil, err
	}
	l, err := e.Campaign(ctx, s, []byte(processInfo()))
	if err != nil {
		return nil, err
	}
	return &held{Grant: l.Grant}, nil
}
