package fifo

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lwjbus/lwjbus/bus"
)

// onePage is less than a page: the least size of a named pipe's buffer. One of
// a single page is full until all of it is read, so whoever waits to write
// hears when that is so.
const onePage = 1

// notices is how many bytes of notices about the file are read at once.
const notices = 16 * unix.SizeofInotifyEvent

// namedFile is a named pipe of the file system, whatever becomes of its path.
type namedFile struct {
	path   string
	fd     int      // of the file as such, not open for reading or writing
	closes *os.File // an inotify instance: of readers and writers that close it
}

func openNamed(path string) (*namedFile, error) {
	if err := unix.Mkfifo(path, bridgeMode); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	fd, err := openFile(path, unix.O_PATH)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	n := &namedFile{path: path, fd: fd}
	if err := n.watch(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// watch checks what the file is, and has its closes told.
func (n *namedFile) watch() error {
	info, err := os.Stat(n.self())
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeNamedPipe {
		return notNamedPipe(n.path, info.Mode())
	}
	notify, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &os.PathError{Op: "inotify", Path: n.path, Err: err}
	}
	n.closes = os.NewFile(uintptr(notify), "inotify")
	if _, err := unix.InotifyAddWatch(notify, n.self(), unix.IN_CLOSE_NOWRITE); err != nil {
		return &os.PathError{Op: "inotify", Path: n.path, Err: err}
	}
	return nil
}

// self is a path of the file itself.
func (n *namedFile) self() string { return "/proc/self/fd/" + strconv.Itoa(n.fd) }

func openFile(path string, mode int) (fd int, err error) {
	for {
		if fd, err = unix.Open(path, mode|unix.O_CLOEXEC, 0); !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// reader opens the file for reading, as the only bridge that does.
func (n *namedFile) reader() (*os.File, error) {
	fd, err := openFile(n.self(), unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: n.path, Err: err}
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = unix.Close(fd) // nothing was read from it
		return nil, bus.NewError(bus.CodeUsage, "another bridge reads %s", n.path).WithHint("name another path, or end that bridge")
	}
	return os.NewFile(uintptr(fd), n.path), nil
}

// writer opens the file for writing as soon as somebody reads it.
func (n *namedFile) writer(ctx context.Context) (*writeEnd, error) {
	type opened struct {
		fd  int
		err error
	}
	done := make(chan opened, 1)
	go func() { // ends with the next reader, whose part is taken below if need be
		fd, err := openFile(n.self(), unix.O_WRONLY)
		done <- opened{fd, err}
	}()
	var o opened
	select {
	case o = <-done:
	case <-ctx.Done():
		reader, err := openFile(n.self(), unix.O_RDONLY|unix.O_NONBLOCK)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: n.path, Err: err} // the goroutine ends with the process
		}
		o = <-done
		return nil, errors.Join(context.Cause(ctx), o.err, unix.Close(reader), closeFD(o.fd))
	}
	if o.err != nil {
		return nil, &os.PathError{Op: "open", Path: n.path, Err: o.err}
	}
	return newWriteEnd(o.fd, n.path)
}

func closeFD(fd int) error {
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}

func newWriteEnd(fd int, path string) (*writeEnd, error) {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, onePage)
	if err == nil || errors.Is(err, unix.EBUSY) { // EBUSY: somebody else has written more into it
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "fcntl", Path: path, Err: err}, unix.Close(fd))
	}
	return &writeEnd{File: os.NewFile(uintptr(fd), path)}, nil
}

// closed tells whether a reader has closed the file since it was asked last.
func (n *namedFile) closed() (so bool) {
	buf := make([]byte, notices)
	conn, err := n.closes.SyscallConn()
	for more := err == nil; more; {
		more = false
		err = conn.Read(func(fd uintptr) bool {
			got, err := unix.Read(int(fd), buf)
			more = err == nil && got > 0
			return true
		})
		so = so || more
		more = more && err == nil
	}
	return so
}

// awaitClose waits until a reader has closed the file since closed was asked.
func (n *namedFile) awaitClose(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = n.closes.SetReadDeadline(time.Now()) }) // of an open file it works
	defer stop()
	_, err := n.closes.Read(make([]byte, notices))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

func (n *namedFile) close() error {
	err := unix.Close(n.fd)
	if n.closes != nil {
		err = errors.Join(err, n.closes.Close())
	}
	return err
}

// unread is how many bytes in a pipe nobody has read.
func unread(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	if err != nil {
		return -1
	}
	return n
}

// isGone tells of a pipe's end for writing whether there is no reader.
func isGone(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLERR != 0
}

// isBroken tells whether there was no reader any more.
func isBroken(err error) bool { return errors.Is(err, unix.EPIPE) }
