package cli

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// entryJSON is schema kv.entry.v1.
type entryJSON struct {
	Schema   string  `json:"schema"`
	Filter   *string `json:"filter,omitempty"` // of a watch
	Key      string  `json:"key"`
	Value    *string `json:"value,omitempty"`    // absent for a delete, and where only keys were asked for
	Encoding string  `json:"encoding,omitempty"` // base64, where the value is no UTF-8
	Revision uint64  `json:"revision"`
	Version  uint64  `json:"version"`
	Time     *string `json:"time"` // null in the entry that stands for a default
	Clock    uint64  `json:"clock"`
	Owner    *string `json:"owner"` // null: none
	Op       string  `json:"op"`
	Reason   string  `json:"reason,omitempty"` // of a delete
}

// newEntryJSON leaves out the value unless it is wanted.
func newEntryJSON(e *kvbucket.Entry, value bool) *entryJSON {
	j := &entryJSON{
		Schema: "kv.entry.v1", Key: e.Key, Revision: e.Revision, Version: e.Version, Clock: e.Clock, Op: e.Op.String(), Reason: e.Reason,
	}
	if !e.Time.IsZero() {
		time := stamp(e.Time)
		j.Time = &time
	}
	if e.Owner != "" {
		j.Owner = &e.Owner
	}
	if value && e.Op == bus.OpPut {
		text, encoding := jsonText(e.Value)
		j.Value, j.Encoding = &text, encoding
	}
	return j
}

// revisionJSON is schema kv.revision.v1.
type revisionJSON struct {
	Schema   string `json:"schema"`
	Revision uint64 `json:"revision"`
}

func (a *app) printRevision(revision uint64) error {
	return a.print(revisionJSON{"kv.revision.v1", revision}, utoa(revision)+"\n")
}

// countJSON is schema kv.count.v1: how many keys there are, or were deleted.
type countJSON struct {
	Schema string `json:"schema"`
	Count  uint64 `json:"count"`
}

func (a *app) printCount(n uint64) error {
	return a.print(countJSON{"kv.count.v1", n}, utoa(n)+"\n")
}
