package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func (k *kv) ownerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "owner",
		Short: "Register, end and show owners of keys",
		Long: "Register, end and show owners of keys. A key that belongs to an owner (lwj kv put --owner) is deleted when\n" +
			"the owner ends.",
		Example: "  lwj kv owner register me --ttl 1m\n  lwj kv put here yes --owner me\n  lwj kv owner ls\n  lwj kv owner end me",
	}
	onlyCommands(c)
	c.AddCommand(k.ownerRegisterCommand(), k.ownerEndCommand(), k.ownerLsCommand(), k.ownerShowCommand())
	return c
}

func (k *kv) ownerEndCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "end ID",
		Short: "End an owner: the keys it owns are deleted",
		Long: "End an owner: the keys it owns now are deleted, in one transaction, and its registration with them. An\n" +
			"owner that is not registered is exit code 3.",
		Example:           "  lwj kv owner register me\n  lwj kv put here yes --owner me\n  lwj kv owner end me\n  lwj kv get here --default gone",
		Args:              exactly(1, "the id of an owner"),
		ValidArgsFunction: k.completeOwner,
		RunE: func(cmd *cobra.Command, args []string) error {
			owner, err := k.owner(args[0])
			if err != nil {
				return err
			}
			return k.with(cmd.Context(), func(l *link) error { return kvbucket.EndOwner(cmd.Context(), l.Conn, owner) })
		},
	}
}

func (k *kv) ownerLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the owners that are registered",
		Example: "  lwj kv owner register me\n  lwj kv owner ls\n  lwj kv owner ls -o jsonl",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.with(cmd.Context(), func(l *link) error { return k.listOwners(cmd.Context(), l) })
		},
	}
}

func (k *kv) ownerShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show all that is known of an owner",
		Long:              "Show all that is known of an owner. One that is not registered is exit code 3.",
		Example:           "  lwj kv owner register me --ttl 1h\n  lwj kv owner show me\n  lwj kv owner show me -o json",
		Args:              exactly(1, "the id of an owner"),
		ValidArgsFunction: k.completeOwner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.with(cmd.Context(), func(l *link) error { return k.showOwner(cmd.Context(), l, args[0]) })
		},
	}
}

func (k *kv) listOwners(ctx context.Context, l *link) error {
	owners, err := kvbucket.Owners(ctx, l.Conn)
	if err != nil {
		return err
	}
	rows := k.rows("ID", "TOKEN", "TTL", "LEFT", "KEYS", "INFO")
	for i := range owners {
		o := &owners[i]
		if err := rows.add(newOwnerJSON(o), o.ID, utoa(o.Token), leaseText(o, o.TTL), leaseText(o, o.Left), utoa(uint64(o.Keys)), o.Info); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

func (k *kv) showOwner(ctx context.Context, l *link, id string) error {
	o, err := kvbucket.ShowOwner(ctx, l.Conn, id)
	if err != nil {
		return err
	}
	state := ""
	if o.Ending {
		state = "its keys are being deleted"
	}
	return k.print(newOwnerJSON(&o), details(
		"owner", o.ID, "token", utoa(o.Token), "ttl", leaseText(&o, o.TTL), "left", leaseText(&o, o.Left),
		"keys", utoa(uint64(o.Keys)), "ending", state, "info", o.Info))
}

// leaseText is a time of an owner's lease; a dash for one without.
func leaseText(o *kvbucket.OwnerInfo, d time.Duration) string {
	if o.TTL == 0 {
		return "-"
	}
	return d.Round(time.Millisecond).String()
}

// ownerJSON is schema owner.v1.
type ownerJSON struct {
	Schema string  `json:"schema"`
	Owner  string  `json:"owner"`
	Token  uint64  `json:"token"`
	TTL    *string `json:"ttl"`  // null: it lives until it is ended
	Left   *string `json:"left"` // of the lease; null without one
	Info   string  `json:"info"`
	Ending bool    `json:"ending"`
	Keys   int     `json:"keys"`
}

func newOwnerJSON(o *kvbucket.OwnerInfo) *ownerJSON {
	j := &ownerJSON{Schema: "owner.v1", Owner: o.ID, Token: o.Token, Info: o.Info, Ending: o.Ending, Keys: o.Keys}
	if o.TTL != 0 {
		ttl, left := o.TTL.String(), o.Left.String()
		j.TTL, j.Left = &ttl, &left
	}
	return j
}
