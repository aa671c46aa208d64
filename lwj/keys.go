package lwj

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
)

// The buckets of jobs.
const (
	Bucket      = "lwj"       // the jobs
	OwnBucket   = "lwj-own"   // jobs that are not in a final state, by owner
	DedupBucket = "lwj-dedup" // jobs by dedup key

	// History is how many changes of a key are kept in Bucket.
	History = 1024
)

// nextIDKey holds the newest id, decimal.
const nextIDKey = "next-id"

// The parts of a job's keys behind its id.
const (
	partSpec  = "spec"
	partCtl   = "ctl"
	partState = "state"
	partEvent = "event."
)

func specKey(id uint64) string  { return strconv.FormatUint(id, 10) + "." + partSpec }
func ctlKey(id uint64) string   { return strconv.FormatUint(id, 10) + "." + partCtl }
func stateKey(id uint64) string { return strconv.FormatUint(id, 10) + "." + partState }
func eventKey(id, n uint64) string {
	return strconv.FormatUint(id, 10) + "." + partEvent + strconv.FormatUint(n, 10)
}

// jobOwner begins the id under which a job owns keys: job 7 is the owner
// "job_7" for as long as it is in no final state. Nobody registers such an id.
const jobOwner = "job_"

// JobOwner is the id under which a job owns keys.
func JobOwner(id uint64) string { return jobOwner + strconv.FormatUint(id, 10) }

// parseKey splits a key of Bucket; false for one that is no job's.
func parseKey(key string) (id uint64, part string, ok bool) {
	digits, part, ok := strings.Cut(key, ".")
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, part, ok && err == nil && id > 0
}

// idDigits makes ids sort as numbers.
const idDigits = 20

// ownPrefix is what the index keys of an owner's jobs begin with; "/" for jobs
// without one.
func ownPrefix(owner string) string { return url.PathEscape(owner) + "/" }

func ownKey(owner string, id uint64) string {
	return fmt.Sprintf("%s%0*d", ownPrefix(owner), idDigits, id)
}

// ownID is the id at the end of an index key.
func ownID(key string) uint64 {
	id, err := strconv.ParseUint(key[max(0, len(key)-idDigits):], 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// ownRange is the range of an owner's index keys.
func ownRange(owner string) (from string, to *string) {
	from = ownPrefix(owner)
	end := from[:len(from)-1] + "0" // the byte behind "/"
	return from, &end
}

// subject is where the single event of a change goes: transitions and events
// by job, control records to the owner, nothing for indexes.
func subject(n bus.Names, c *bus.Change) string {
	if c.Bucket != Bucket {
		return ""
	}
	id, part, ok := parseKey(c.Key)
	switch {
	case ok && part == partState:
		return n.State(id)
	case ok && strings.HasPrefix(part, partEvent):
		return n.Event(id)
	case ok && part == partCtl && c.Owner != "":
		return n.Ctl(c.Owner, id)
	}
	return n.Key(c.Bucket, c.Key)
}
