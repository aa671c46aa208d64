package embedded

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is what the host of a data directory holds locked. It is never
// removed: a lock on a removed file would be a second lock.
const lockFile = "lock"

// How often WaitLock tries, at random in between, so that many that wait do
// not try in step.
const (
	waitLockMin = 20 * time.Millisecond
	waitLockMax = 100 * time.Millisecond
)

// ErrLocked is returned when another process hosts the data directory.
var ErrLocked = errors.New("another process hosts this data directory")

// Lock is the right to host a data directory. The kernel takes it back when
// the process ends, however it ends. It is safe for concurrent use.
type Lock struct {
	dir  string
	file *os.File // holds the flock(2); not inherited by children

	mu        sync.Mutex
	closed    bool
	published []byte // the host file as we wrote it; nil: none
}

// TryLock takes the lock of dir, which it makes where there is none (mode
// 0700; a wider one of ours is narrowed), or refuses at once.
//
// Errors: ErrLocked; *bus.Error of code store, one line with what to do, for a
// directory of another user, on another machine's or a network file system, of
// a newer format, or that cannot be written.
func TryLock(dir string) (*Lock, error) { return systemGuard().lock(dir) }

// WaitLock is TryLock that waits while another process hosts dir: it tries
// every 20 to 100 ms.
//
// Errors: as TryLock, but for ErrLocked; ctx's own.
func WaitLock(ctx context.Context, dir string) (*Lock, error) {
	g := systemGuard()
	for {
		l, err := g.lock(dir)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(waitLockMin + rand.N(waitLockMax-waitLockMin)):
		}
	}
}

// lock takes the lock of dir after what can be checked without it, and gives
// it back when what needs it is refused.
func (g guard) lock(dir string) (*Lock, error) {
	if err := g.checkDir(dir); err != nil {
		return nil, storeError(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, storeError(dir, err)
	}
	if err = flock(f); err == nil {
		err = g.checkContent(dir)
	}
	if err != nil {
		f.Close()
		if errors.Is(err, ErrLocked) {
			return nil, ErrLocked
		}
		return nil, storeError(dir, err)
	}
	return &Lock{dir: dir, file: f}, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		default:
			return err
		}
	}
}

// Dir returns the directory that is locked.
func (l *Lock) Dir() string { return l.dir }

// Close withdraws the host file, if it is still ours, and then gives the lock
// back. Shut the server down before. It may be called more than once.
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return errors.Join(l.withdrawLocked(), unlock(l.file), l.file.Close())
}

// unlock gives the lock back also where a child that is being started has a
// copy of the descriptor until its exec: Close alone would leave it the lock
// (TestLockIsNotLeftToChild).
func unlock(f *os.File) error {
	return os.NewSyscallError("flock", unix.Flock(int(f.Fd()), unix.LOCK_UN))
}
