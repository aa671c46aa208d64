package faults_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
	"github.com/lwjbus/lwjbus/lwj/host"
)

const (
	diskSize     = embedded.DefaultReserve * 5 / 2
	diskLeft     = 64 << 10         // of it when it is "full"
	diskValue    = 1 << 10          // bytes of one write
	fullWithin   = 5 * time.Second  // until writes are refused in words
	againWithin  = 10 * time.Second // until writes work again
	diskWriters  = 4
	diskTry      = 300 * time.Millisecond // a write in doubt is sent again when the host refuses writes already
	diskCall     = 3 * time.Second
	outputOnDisk = 1 << 20
)

// smallDisk is a file system of its own, which the test's end unmounts.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("lwj-test", dir, "tmpfs", 0, "mode=0700,size="+string(text(diskSize)))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("a full disk needs a file system of its own, and this user may not mount one: %v", err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

// fill takes the disk but for left bytes; the result gives them back. Others
// write meanwhile, so it may take some tries.
func fill(t *testing.T, dir string, left uint64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	free = func() { must(t, os.Remove(name)) }
	for {
		n, err := embedded.FreeSpace(dir)
		must(t, err)
		if n <= left {
			return free
		}
		err = unix.Fallocate(int(f.Fd()), 0, 0, int64(n-left))
		if err == nil {
			return free
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk of a host, to the reserve and to the last byte
// while writes go on: they are refused in words, reads go on, and when there is
// space again writes work without anybody's hand, and nothing acknowledged is
// lost.
func TestDiskFull(t *testing.T) {
	for name, left := range map[string]uint64{"to the reserve": embedded.DefaultReserve / 2, "to the last byte": diskLeft} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := smallDisk(t)
			bed := natstest.New(t, func(c *host.Config) { c.Dir, c.OutputBytes = dir, outputOnDisk })
			b := open(t, bed.Conn(func(c *bus.Config) { c.TryTimeout, c.RequestTimeout = diskTry, diskCall }))
			ctx := testContext(t)
			must(t, untilPut(ctx, b, againWithin, "kept", nil))
			free, told := fullDisk(ctx, t, b, func() func() { return fill(t, dir, left) })
			compareTold(ctx, t, b, told)
			free()
			must(t, untilPut(ctx, b, againWithin, "after", []byte("1")))
			compareTold(ctx, t, b, told)
			bed.Restart()
			compareTold(ctx, t, b, told)
		})
	}
}

// compareTold wants what was acknowledged there, and what was refused not.
func compareTold(ctx context.Context, t *testing.T, b *kvbucket.Bucket, told map[string]error) {
	t.Helper()
	counts := map[bus.Code]int{}
	for key, err := range told {
		counts[bus.CodeOf(err)]++
		e, got := b.Get(ctx, key)
		switch {
		case err == nil && (got != nil || len(e.Value) != diskValue):
			t.Errorf("%s was acknowledged: want %d bytes, got %v", key, diskValue, got)
		case errors.Is(err, bus.ErrFull) && !errors.Is(got, kvbucket.ErrNotFound):
			t.Errorf("%s was refused (%v): want it not there, got %v", key, err, got)
		}
	}
	t.Logf("told: %v", counts)
}

// fullDisk fills the disk under writers and waits until each is refused with
// CodeFull. It returns how to free it, and what each write was told.
func fullDisk(ctx context.Context, t *testing.T, b *kvbucket.Bucket, fill func() func()) (free func(), told map[string]error) {
	t.Helper()
	told = map[string]error{}
	type written struct {
		key string
		err error
	}
	writes, ended := make(chan written), make(chan struct{}, diskWriters)
	value := make([]byte, diskValue)
	for w := range diskWriters {
		go func() {
			defer func() { ended <- struct{}{} }()
			for i := 0; ; i++ {
				key := string(text(w)) + "." + string(text(i))
				_, err := b.Put(ctx, key, value)
				select {
				case writes <- written{key, err}:
				case <-ctx.Done():
					return
				}
				if errors.Is(err, bus.ErrFull) {
					return
				}
			}
		}()
	}
	w := <-writes
	told[w.key] = w.err
	free = fill()
	limit := time.NewTimer(fullWithin)
	defer limit.Stop()
	for left := diskWriters; left > 0; {
		select {
		case w := <-writes:
			told[w.key] = w.err
		case <-ended:
			left--
		case <-limit.C:
			t.Fatalf("%d writers were not told within %v that the disk is full", left, fullWithin)
		}
	}
	return free, told
}

// untilPut writes until it works, at most for a time.
func untilPut(ctx context.Context, b *kvbucket.Bucket, most time.Duration, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		_, err := b.Put(ctx, key, value)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}
