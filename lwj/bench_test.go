package lwj

import (
	"sync/atomic"
	"testing"
)

// BenchmarkRun takes jobs from reserved to complete, four transactions each,
// by 64 launchers at once; the log is in memory.
func BenchmarkRun(b *testing.B) {
	h := newHost(b)
	token := h.owner("o")
	var failed atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		for pb.Next() {
			id, err := h.client.Submit(ctx, NewSpec("true"), Start("o", token))
			for _, to := range life {
				if err == nil {
					err = h.client.AdvanceOne(ctx, id, to, 1, nil)
				}
			}
			if err != nil {
				failed.Add(1)
			}
		}
	})
	if n := failed.Load(); n > 0 {
		b.Fatalf("%d jobs failed", n)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
