package engine

import (
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// Registration is the value of an owner's key in OwnerBucket. An owner that is
// no registration itself, a job, gets one while what it left is deleted.
type Registration struct {
	TTL    int64  // milliseconds; 0: no lease
	Info   string // for people: host, pid, command
	Ending bool   // no longer an owner: what it owns is being settled
	Reason string // why it is ending: the reason of the deletes
	Token  uint64 // its fencing token; 0: the revision that made the key
}

// EncodeMsgpack writes the registration as an array in the order of the fields.
func (r Registration) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.TTL, r.Info, r.Ending, r.Reason, r.Token)
}

// DecodeMsgpack reads what EncodeMsgpack wrote, longer arrays, and those of
// three fields that older logs have.
func (r *Registration) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.TTL, &r.Info, &r.Ending, &r.Reason, &r.Token)
}

// readRegistration reads the key of an owner and its fencing token. One that
// cannot be read holds nothing: it is no owner, and has no lease.
func readRegistration(c *bus.Change) (r Registration, token uint64, ok bool) {
	if c == nil || bus.Unmarshal(c.Value, &r) != nil {
		return Registration{}, 0, false
	}
	if r.Token != 0 {
		return r, r.Token, true
	}
	return r, c.Created, true
}

// register writes a registration. Encoding it cannot fail: it is plain fields.
func (tx *Tx) register(id string, r Registration) *bus.Change {
	value, _ := bus.Marshal(r)
	return tx.Put(OwnerBucket, id, value)
}

// ttlOwner begins the ids of owners that are the lease of one key. They can be
// neither named nor renewed: the registration goes with its key.
const ttlOwner = "_ttl."

func isTTLOwner(id string) bool { return strings.HasPrefix(id, ttlOwner) }

// reservedOwner tells the ids that nobody registers: the engine's own begin
// with "_", and "job_<digits>" is a job.
func reservedOwner(id string) bool {
	if strings.HasPrefix(id, "_") {
		return true
	}
	n, ok := strings.CutPrefix(id, "job_")
	return ok && n != "" && strings.Trim(n, "0123456789") == ""
}
