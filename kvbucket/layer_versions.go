package kvbucket

import "github.com/lwjbus/lwjbus/internal/engine"

// versionsReads is what a host answers about single versions of keys.
func versionsReads() []engine.Read {
	return []engine.Read{engine.ReadOf(verbVersions, (*versionsRequest).check, versions)}
}

// versions answers those of the asked versions that are kept, until a page is
// full.
func versions(v *engine.View, in *versionsRequest) (any, error) {
	a, size := &versionsAnswer{}, 0
	for i, key := range in.Keys {
		if size >= pageBytes {
			break
		}
		if c := v.Version(in.Bucket, key, in.Revisions[i]); c != nil {
			if in.KeysOnly {
				c = bare(c)
			}
			a.Changes = append(a.Changes, c)
			size += entrySize(c)
		}
		a.Done++
	}
	return a, nil
}
