package engine

import "github.com/lwjbus/lwjbus/bus"

// Version returns the key's change of exactly this revision: from the kept
// ones of the key, or the recent ones of the store; nil where it is gone or
// never was. A change of one revision is the same whenever it is read.
func (v *View) Version(bucket, key string, revision uint64) *bus.Change {
	k, ok := v.buckets.Get(bucket)
	if !ok {
		return nil
	}
	if sl := k.slot(key); sl != nil {
		if c, _ := sl.at(revision); c != nil && c.Revision == revision {
			return c
		}
	}
	recent, ok := v.recent.since(revision)
	for i := 0; ok && i < len(recent) && recent[i].Revision == revision; i++ {
		if c := recent[i]; c.Bucket == bucket && c.Key == key {
			return c
		}
	}
	return nil
}
