package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Variables that the command of an owner gets: see kv owner register.
const (
	envOwner = "LWJ_OWNER"
	envToken = "LWJ_TOKEN"
)

// ownerFlags say whose a key becomes.
type ownerFlags struct {
	owner string
	none  bool
	ttl   time.Duration
}

func (o *ownerFlags) register(k *kv, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.owner, "owner", "", "the key goes with `OWNER`, and when OWNER ends")
	f.BoolVar(&o.none, "no-owner", false, "the key has no owner any more")
	f.DurationVar(&o.ttl, "ttl", 0, "the key goes after `D`")
	_ = c.RegisterFlagCompletionFunc("owner", k.completeOwners) // the flag exists
}

// option reads the flags: no option, or one.
func (o *ownerFlags) option(k *kv, cmd *cobra.Command) ([]kvbucket.OwnerOption, error) {
	f := cmd.Flags()
	owner, ttl := f.Changed("owner"), f.Changed("ttl")
	switch {
	case owner && o.none || owner && ttl || o.none && ttl:
		return nil, usagef("--owner, --no-owner and --ttl exclude each other")
	case owner && o.owner == "":
		return nil, usagef("--owner is empty: --no-owner takes the owner away")
	case ttl && o.ttl <= 0:
		return nil, usagef("--ttl %v: it is longer than 0", o.ttl)
	case owner:
		as, err := k.owner(o.owner)
		return []kvbucket.OwnerOption{kvbucket.OwnedBy(as)}, err
	case ttl:
		return []kvbucket.OwnerOption{kvbucket.TTL(o.ttl)}, nil
	case o.none:
		return []kvbucket.OwnerOption{kvbucket.NoOwner()}, nil
	}
	return nil, nil
}

// owner is whoever is registered under an id, but for a command that runs as
// this owner: what it writes is fenced by its token.
func (a *app) owner(id string) (o kvbucket.Owner, err error) {
	o.ID = id
	if token := a.env(envToken); token != "" && a.env(envOwner) == id {
		if o.Token, err = strconv.ParseUint(token, 10, 64); err != nil {
			err = usagef("%s is %q, which is no token: it would fence nothing", envToken, token)
		}
	}
	return o, err
}
