package fifo

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// purgedAtOnce bounds the keys of a removed pipe that one transaction deletes.
const purgedAtOnce = 8192

// remove forgets a pipe and tells everybody who waits for it. What it held
// goes at once, or in several transactions.
func remove(tx *engine.Tx, in *pipeRequest) (any, error) {
	w, err := load(tx, in)
	if err != nil {
		return nil, err
	}
	tx.Delete(pipeBucket, w.name, bus.ReasonDeleted)
	if w.Ring != 0 {
		tx.StopTimer(layerName, w.ring())
	}
	tx.Wake(putLine(w.id))
	w.wakeReaders()
	purge(tx, w.id)
	return nil, nil
}

// purge deletes what a removed pipe has left.
func purge(tx *engine.Tx, id uint64) {
	type part struct{ bucket, key string }
	var parts []part
	prefix := pipePrefix(id)
	for _, bucket := range partBuckets() {
		tx.Range(bucket, prefix, after(prefix+"\x01"), func(c *bus.Change) bool {
			parts = append(parts, part{bucket, c.Key})
			return len(parts) < purgedAtOnce
		})
	}
	for _, p := range parts {
		tx.Delete(p.bucket, p.key, bus.ReasonDeleted)
	}
	if len(parts) >= purgedAtOnce {
		tx.SetTimer(layerName, engine.Timer{Due: tx.Now(), ID: timerID(timerPurge, id, "")})
	}
}
