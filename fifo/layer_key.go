package fifo

import (
	"strconv"

	"github.com/lwjbus/lwjbus/bus"
)

// The buckets of pipes. All are transient: neither events nor views.
const (
	pipeBucket   = "lwj-fifo"        // name: record
	itemBucket   = "lwj-fifo-item"   // pipe, lane, place: the item
	backBucket   = "lwj-fifo-back"   // pipe, lane, first place: a run that was handed back
	claimBucket  = "lwj-fifo-claim"  // pipe, lane, number: claim; owned by the reader's session
	writerBucket = "lwj-fifo-writer" // pipe, token: the pipe's name; owned by the writer's session
)

// partBuckets are those whose keys begin with a pipe's id.
func partBuckets() []string { return []string{itemBucket, backBucket, claimBucket, writerBucket} }

// order appends a number so that text is in the order of numbers: a letter for
// the count of digits, and the digits. No such text begins another.
func order(b []byte, n uint64) []byte {
	at := len(b)
	b = strconv.AppendUint(append(b, 'a'), n, 10)
	b[at] += byte(len(b) - at - 2)
	return b
}

// pipePrefix begins the keys of a pipe's parts. It is an id, not a name: what
// is left of a pipe that was removed is never that of the next.
func pipePrefix(id uint64) string { return string(order(make([]byte, 0, 24), id)) }

// lanePrefix begins the keys of a lane.
func lanePrefix(id uint64, l lane) string {
	return string(append(order(make([]byte, 0, 24), id), byte(l)))
}

// partKey is the key of a part of a pipe.
func partKey(id uint64, l lane, n uint64) string {
	return string(order(append(order(make([]byte, 0, 48), id), byte(l)), n))
}

// after is the end of the keys that begin with prefix.
func after(prefix string) *string {
	end := prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
	return &end
}

// number is the last part of a key of partKey with this prefix.
func number(prefix, key string) (uint64, error) {
	if len(key) <= len(prefix)+1 {
		return 0, broken("key", key)
	}
	n, err := strconv.ParseUint(key[len(prefix)+1:], 10, 64)
	if err != nil {
		return 0, broken("key", key)
	}
	return n, nil
}

func broken(what, key string) error {
	return bus.NewError(bus.CodeStore, "the %s %q of a pipe cannot be read", what, key)
}

// putLine and getLine name where blocked requests wait: see engine.Park.
func putLine(id uint64) string         { return "fifo.put " + pipePrefix(id) }
func getLine(id uint64, l lane) string { return "fifo.get " + lanePrefix(id, l) }
