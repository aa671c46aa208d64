package proc

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// uplink is the supervisor's way to the launcher. Events never block their
// sender: they queue, at most a few per task. Output blocks its task while the
// launcher does not read. An event goes out before every output sent after it.
type uplink struct {
	conn *os.File
	wake chan struct{} // one slot: there is something in next

	mu   sync.Mutex // held while writing; guards buf and err
	buf  []byte     // headerSize + ChunkSize, shared by all streams
	err  error      // the launcher is gone
	qmu  sync.Mutex // guards next; taken inside mu, never the other way round
	next []byte     // frames waiting
}

func newUplink(conn *os.File) *uplink {
	return &uplink{conn: conn, wake: make(chan struct{}, 1), buf: make([]byte, headerSize+ChunkSize)}
}

// event queues ev. It never blocks.
func (u *uplink) event(ev Event) {
	u.qmu.Lock()
	u.next = frame(u.next, byte(ev.Kind), ev.Task, encodeStatus(ev))
	u.qmu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// run writes events as they come. It ends with the process.
func (u *uplink) run() {
	for range u.wake {
		u.flush()
	}
}

// flush writes what is queued.
func (u *uplink) flush() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.flushLocked()
}

func (u *uplink) flushLocked() {
	u.qmu.Lock()
	frames := u.next
	u.next = nil
	u.qmu.Unlock()
	u.writeLocked(frames)
}

func (u *uplink) writeLocked(b []byte) {
	if u.err == nil && len(b) > 0 {
		_, u.err = u.conn.Write(b)
	}
}

// copy sends everything r has until its end. After r's read deadline it takes
// what is in the pipe already, at most maxSweep bytes, and waits no longer.
func (u *uplink) copy(task int, stream Stream, r *os.File) {
	rc, err := r.SyscallConn()
	if err != nil {
		return
	}
	for more := true; more; {
		waitErr := rc.Read(func(fd uintptr) bool {
			var again bool
			more, again = u.chunk(task, stream, int(fd))
			return !again
		})
		if waitErr != nil {
			u.sweep(rc, task, stream)
			return
		}
	}
}

func (u *uplink) sweep(rc syscall.RawConn, task int, stream Stream) {
	_ = rc.Control(func(fd uintptr) {
		for i := 0; i < maxSweep/ChunkSize; i++ {
			if more, again := u.chunk(task, stream, int(fd)); !more || again {
				return
			}
		}
	})
}

// chunk reads once and sends what it got. more is false at the end of the
// stream, or of the launcher; again is true when there is nothing yet.
func (u *uplink) chunk(task int, stream Stream, fd int) (more, again bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := syscall.Read(fd, u.buf[headerSize:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(fd, u.buf[headerSize:])
	}
	if errors.Is(err, syscall.EAGAIN) {
		return true, true
	}
	if n <= 0 {
		return false, false
	}
	u.flushLocked()
	header{kind: byte(Output), stream: stream, task: uint16(task), size: uint32(n)}.put(u.buf)
	u.writeLocked(u.buf[:headerSize+n])
	return u.err == nil, false
}
