package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// completeOwners proposes the ids of owners.
func (k *kv) completeOwners(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return k.complete(cmd, func(ctx context.Context, l *link) (found []string, err error) {
		owners, err := kvbucket.Owners(ctx, l.Conn)
		for i := range owners {
			if o := &owners[i]; strings.HasPrefix(o.ID, typed) && printable(o.ID) == o.ID && len(found) < completeMost {
				found = append(found, o.ID+"\t"+printable(o.Info))
			}
		}
		return found, err
	})
}

// completeOwner proposes owners for the first argument.
func (k *kv) completeOwner(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return k.completeOwners(cmd, args, typed)
}

// completeBuckets proposes the names of buckets.
func (k *kv) completeBuckets(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return k.complete(cmd, func(ctx context.Context, l *link) (found []string, err error) {
		buckets, err := kvbucket.Buckets(ctx, l.Conn)
		for i := range buckets {
			if name := buckets[i].Name; strings.HasPrefix(name, typed) && len(found) < completeMost {
				found = append(found, name)
			}
		}
		return found, err
	})
}

// completeBucket proposes buckets for the first argument.
func (k *kv) completeBucket(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return k.completeBuckets(cmd, args, typed)
}
