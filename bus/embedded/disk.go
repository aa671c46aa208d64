package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"golang.org/x/sys/unix"
)

// The defaults of DiskConfig.
const (
	// DefaultReserve is the free space, bytes, below which the disk counts as full.
	DefaultReserve = 64 << 20
	// DefaultDiskInterval is the time between two looks at the disk.
	DefaultDiskInterval = time.Second
)

// FreeSpace returns the bytes that this user may still write to dir's file system.
func FreeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// DiskConfig says what to watch.
type DiskConfig struct {
	// Dir is a directory of the disk. Required.
	Dir string
	// Reserve is the free space, bytes, below which the disk counts as full.
	// Default: DefaultReserve.
	Reserve uint64
	// Interval is the time between two looks. Default: DefaultDiskInterval.
	Interval time.Duration
	// OnChange is called with Full's new result, from one goroutine at a time
	// and in order; it must not call Check or Close. Default: nothing is called.
	OnChange func(full error)
	// Free returns the free bytes of Dir. Default: FreeSpace.
	Free func(dir string) (uint64, error)
	// Logger hears of a disk that cannot be asked. Default: none.
	Logger *slog.Logger
}

// Disk watches the free space of a disk, so that writes are refused early and
// in words, not by a server that has run into the wall. It is full below the
// reserve, and has room again above 1.25 times the reserve. It is safe for
// concurrent use.
type Disk struct {
	cfg  DiskConfig
	full atomic.Pointer[bus.Error] // nil: there is room

	mu      sync.Mutex // one look at a time
	failing bool       // the last look failed

	stop context.CancelFunc
	done chan struct{} // closed when the goroutine of WatchDisk has ended
}

// WatchDisk looks at the disk once and then each interval, in a goroutine that
// Close ends and waits for.
//
// Errors: CodeStore when the disk cannot be asked.
func WatchDisk(cfg DiskConfig) (*Disk, error) {
	if cfg.Reserve == 0 {
		cfg.Reserve = DefaultReserve
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultDiskInterval
	}
	if cfg.Free == nil {
		cfg.Free = FreeSpace
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Disk{cfg: cfg, done: make(chan struct{})}
	if err := d.look(); err != nil {
		return nil, storeError(cfg.Dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	go d.run(ctx)
	return d, nil
}

// Full returns why writes are to be refused, a *bus.Error of code overloaded,
// or nil. It costs one atomic load.
func (d *Disk) Full() error {
	if e := d.full.Load(); e != nil {
		return e
	}
	return nil
}

// Check looks now, as after a failed write, and returns Full.
func (d *Disk) Check() error {
	d.lookAndLog()
	return d.Full()
}

// Close ends the watch; Full keeps its last result. It may be called more than once.
func (d *Disk) Close() {
	d.stop()
	<-d.done
}

func (d *Disk) run(ctx context.Context) {
	defer close(d.done)
	tick := time.NewTicker(d.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.lookAndLog()
		}
	}
}

// lookAndLog reports the first of a row of failed looks; the state stays what
// it was.
func (d *Disk) lookAndLog() {
	if err := d.look(); err != nil {
		d.cfg.Logger.Warn("free space unknown", "dir", d.cfg.Dir, "error", err)
	}
}

// look asks for the free space and changes the state. It returns the first
// error of a row.
func (d *Disk) look() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	free, err := d.cfg.Free(d.cfg.Dir)
	known := d.failing
	d.failing = err != nil
	switch {
	case err != nil && known:
		return nil
	case err != nil:
		return err
	}
	d.changeLocked(free)
	return nil
}

func (d *Disk) changeLocked(free uint64) {
	was := d.full.Load() != nil
	is := free < d.cfg.Reserve || was && free <= d.cfg.again()
	if is == was {
		return
	}
	var full *bus.Error
	if is {
		full = d.cfg.fullError(free)
	}
	d.full.Store(full)
	if d.cfg.OnChange != nil {
		d.cfg.OnChange(d.Full())
	}
}

// again is the free space above which a full disk has room again.
func (c DiskConfig) again() uint64 { return c.Reserve + c.Reserve/4 }

func (c DiskConfig) fullError(free uint64) *bus.Error {
	return bus.NewError(bus.CodeOverloaded, "the disk of %s is full: %s free, %s are kept in reserve", c.Dir, mebibytes(free), mebibytes(c.Reserve)).
		WithHint("free some space: writes go on by themselves above %s", mebibytes(c.again()))
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
