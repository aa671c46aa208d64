package kvbucket_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestSlowFromStart: a watch from the start whose bucket is removed, and made
// anew, while it reads, ends in error when the host no longer knows what was
// deleted: it never leaves its reader with keys that are gone.
func TestSlowFromStart(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"all is known": false, "too much since": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newBed(t).direct(t)
			b, other := openBucket(t, c, "test"), openBucket(t, c, "other")
			const n = 100 // more than a page
			value := string(make([]byte, 4*engine.PageBytes/n))
			for i := range n {
				b.put(fmt.Sprint("k", i), value)
			}
			w := b.watch(kvbucket.FromStart(), kvbucket.Buffer(1, 1))
			there := map[string]bool{w.next().Entry.Key: true}
			check(t, kvbucket.RemoveBucket(b.ctx, c, "test"))
			if forget {
				large := string(make([]byte, kvbucket.MaxValue))
				for range engine.MaxRecentBytes/kvbucket.MaxValue + 1 {
					other.put("k", large)
				}
			}
			b.put("last", "")
			for !there["last"] {
				e, err := w.Next(b.ctx)
				if forget && errors.Is(err, kvbucket.ErrCompacted) {
					return
				}
				check(t, err)
				switch {
				case e.Entry == nil:
				case e.Entry.Op == bus.OpDelete:
					delete(there, e.Entry.Key)
				default:
					there[e.Entry.Key] = true
				}
			}
			same(t, map[string]bool{"last": true}, there)
			same(t, false, forget)
		})
	}
}
