package engine

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkMemoryPerKey reports what a key of 20 bytes with one version of 64
// bytes takes in memory, written by requests and loaded from a checkpoint:
// go test -run '^$' -bench MemoryPerKey -benchtime 1x.
func BenchmarkMemoryPerKey(b *testing.B) {
	const keys, each = 1_000_000, 500
	for range b.N {
		before := liveHeap()
		written := newState(nil)
		for i := 0; i < keys; i += each {
			tx := &Tx{s: written}
			for j := i; j < i+each; j++ {
				tx.Put("bucket", fmt.Sprintf("some/longish/%07d", j), make([]byte, 64))
			}
			tx.commit()
		}
		b.ReportMetric(float64(liveHeap()-before)/keys, "written-B/key")
		var saved bytes.Buffer
		cp := &checkpoint{head: checkpointHead{Slots: keys, Revision: written.revision}, keys: &written.keyspace}
		if err := cp.write(func(p []byte) error { saved.Write(p); return nil }); err != nil {
			b.Fatal(err)
		}
		before = liveHeap()
		loaded := newState(nil)
		if _, err := readCheckpoint(bytes.NewReader(saved.Bytes()), loaded, newOnce()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(liveHeap()-before)/keys, "loaded-B/key")
		runtime.KeepAlive(written)
		runtime.KeepAlive(loaded)
		runtime.KeepAlive(&saved)
	}
}

// liveHeap is the bytes of everything that is in use.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
