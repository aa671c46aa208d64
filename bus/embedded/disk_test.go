package embedded

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

func TestDisk_hysteresis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		free.Store(1000)
		var changes []error
		d, err := WatchDisk(DiskConfig{Dir: "d", Reserve: 100, Free: func(string) (uint64, error) { return free.Load(), nil },
			OnChange: func(full error) { changes = append(changes, full) }})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for i, c := range []struct {
			free uint64
			full bool
		}{{100, false}, {99, true}, {100, true}, {125, true}, {126, false}, {100, false}, {0, true}, {1000, false}} {
			free.Store(c.free)
			time.Sleep(DefaultDiskInterval) // of the bubble
			synctest.Wait()
			if got := d.Full() != nil; got != c.full {
				t.Errorf("step %d, %d bytes free: want full %v, got %v", i, c.free, c.full, got)
			}
		}
		if want, got := 4, len(changes); want != got {
			t.Errorf("want %d changes told, got %d: %v", want, got, changes)
		}
	})
}

func TestDisk_checkOnDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := uint64(1 << 30)
		d, err := WatchDisk(DiskConfig{Dir: "d", Interval: time.Hour, Free: func(string) (uint64, error) { return free, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		free = 1 << 20
		err = d.Check()
		if want, got := bus.CodeOverloaded, bus.CodeOf(err); want != got {
			t.Fatalf("want code %s, got %s (%v)", want, got, err)
		}
		if want, got := "the disk of d is full: 1.0 MiB free, 64.0 MiB are kept in reserve", err.Error(); want != got {
			t.Errorf("want %q, got %q", want, got)
		}
	})
}

func TestDisk_unknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := errors.New("no such disk")
		var failing atomic.Bool
		var log strings.Builder
		free := func(string) (uint64, error) {
			if failing.Load() {
				return 0, fail
			}
			return 1, nil
		}
		d, err := WatchDisk(DiskConfig{Dir: "d", Free: free, Logger: textLogger(&log)})
		if err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		time.Sleep(10 * DefaultDiskInterval)
		d.Close()
		d.Close()
		if d.Full() == nil {
			t.Error("want the disk full as last seen, got room")
		}
		if want, got := 1, strings.Count(log.String(), "no such disk"); want != got {
			t.Errorf("want the failure logged %d time, got %d", want, got)
		}
		if _, got := WatchDisk(DiskConfig{Dir: "d", Free: free}); bus.CodeOf(got) != bus.CodeStore {
			t.Errorf("want code store, got %v", got)
		}
	})
}

func TestFreeSpace(t *testing.T) {
	t.Parallel()
	if free, err := FreeSpace(t.TempDir()); err != nil || free == 0 {
		t.Errorf("want free space, got %d (%v)", free, err)
	}
	if _, err := FreeSpace("/no/such/dir"); err == nil {
		t.Error("want an error, got none")
	}
}
