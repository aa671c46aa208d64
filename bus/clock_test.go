package bus

import (
	"math"
	"sync"
	"testing"
)

func TestClock(t *testing.T) {
	t.Parallel()
	var c Clock
	for _, step := range []struct {
		name string
		got  uint64
		want uint64
	}{
		{"tick", c.Tick(), 1},
		{"observe lower", c.Observe(0), 2},
		{"observe higher", c.Observe(10), 11},
		{"now", c.Now(), 11},
		{"nonsense", c.Observe(math.MaxUint64), 12},
	} {
		if step.got != step.want {
			t.Errorf("%s: want %d, got %d", step.name, step.want, step.got)
		}
	}
}

func TestClockConcurrently(t *testing.T) {
	t.Parallel()
	var c Clock
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			last := uint64(0)
			for range 1000 {
				if n := c.Observe(last); n <= last {
					t.Errorf("want above %d, got %d", last, n)
				} else {
					last = n
				}
			}
		})
	}
	wg.Wait()
	if got := c.Now(); got < 8000 {
		t.Errorf("want at least 8000, got %d", got)
	}
}
