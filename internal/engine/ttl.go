package engine

import (
	"strconv"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxKeyTTL bounds the TTL of a key; MinTTL is the least.
const MaxKeyTTL = 10 * 365 * 24 * time.Hour

// PutTTL sets a key that is deleted after ttl, counted in whole milliseconds
// of engine time and from the last start of an engine, reason
// bus.ReasonLeaseExpired. The key is owned by a lease of its own, which is
// never renewed and ends with the key's next owner or delete
// (TestTTLKeyLifecycles). A ttl outside MinTTL to MaxKeyTTL becomes the nearer
// of them.
func (tx *Tx) PutTTL(bucket, key string, value []byte, ttl time.Duration) *bus.Change {
	tx.leases++
	id := ttlOwner + strconv.FormatUint(tx.Revision(), 10) + "." + strconv.Itoa(tx.leases)
	tx.register(id, Registration{TTL: min(max(ttl, MinTTL), MaxKeyTTL).Milliseconds()})
	return tx.PutOwned(bucket, key, value, Owner{ID: id, Token: tx.Revision()})
}

// release ends the lease of the key of c, which gets another owner or goes.
func (tx *Tx) release(c *bus.Change, owner string) {
	if c != nil && c.Owner != owner && isTTLOwner(c.Owner) {
		tx.Delete(OwnerBucket, c.Owner, bus.ReasonDeleted)
	}
}
