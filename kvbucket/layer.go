package kvbucket

import (
	"context"
	"slices"

	"github.com/lwjbus/lwjbus/internal/engine"
)

// Layer is what a host answers for buckets. The bucket "lwj", those whose
// names begin with "lwj-", and those that one of the other layers declares
// ReadOnly are read and watched here, and written there.
func Layer(others ...engine.Layer) engine.Layer {
	g := newGuard(others)
	return engine.Layer{
		Name: "kv",
		Procedures: slices.Concat(bucketsProcedures(g), []engine.Procedure{
			engine.Write(verbPut, g.checkPut, put),
			engine.Write(verbPutAll, g.checkPutAll, putAll),
			engine.Write(verbDelete, g.checkDelete, remove),
			engine.Write(verbTxn, g.checkTxn, transact),
		}),
		Reads: slices.Concat(versionsReads(), awaitReads(), bucketsReads(g), []engine.Read{
			engine.ReadOf(verbGet, checkGet, get),
			engine.ReadOf(verbRange, checkRange, list),
			engine.ReadOf(verbKeys, checkRange, keys),
			engine.ReadOf(verbCount, checkRange, count),
			engine.ReadOf(verbHistory, checkHistory, history),
			engine.ReadOf(verbReplay, checkReplay, replay),
			engine.WaitOf(verbRevision, nil, revision),
		}),
	}
}

// revision answers the newest revision there is when it is high enough, or
// when the caller's patience ends.
func revision(ctx context.Context, v *engine.View, in *revisionRequest) (any, error) {
	// An error is the end of the wait: the caller asks again.
	if later, err := v.AwaitRevision(ctx, in.AtLeast); err == nil {
		v = later
	}
	return &writeAnswer{Revision: v.Revision()}, nil
}
