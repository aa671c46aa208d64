package fifo

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// errReaderLeft is the cause of the end of a get for a reader who has closed
// the file.
var errReaderLeft = errors.New("the reader has closed the file")

// runOut gives an item to each who opens the file for reading. It closes the
// file when a reader waits for its end, and then waits for him to leave: else
// the next item would be his, too. Where the reader left first, it stays open
// until the next is there, who would find the end of it otherwise.
func (b *Bridge) runOut(ctx context.Context) (err error) {
	var last *writeEnd // nil: closed
	defer func() { err = errors.Join(err, last.close()) }()
	for {
		w, err := b.file.writer(ctx)
		if err != nil {
			return err
		}
		b.file.closed() // those that were told before
		if err := last.close(); err != nil {
			return errors.Join(err, w.close())
		}
		last = w
		left, err := b.serve(ctx, w)
		if err != nil {
			return err
		}
		if left && !w.shut {
			continue
		}
		last = nil
		if err := w.close(); err != nil {
			return err
		}
		if !left {
			err = b.file.awaitClose(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// serve gives an item to the reader at the other end of w, and tells whether he
// has left.
func (b *Bridge) serve(ctx context.Context, w *writeEnd) (left bool, err error) {
	item, err := b.next(ctx, w)
	switch {
	case errors.Is(err, errReaderLeft):
		return true, nil
	case errors.Is(err, ErrNoOwner):
		return false, b.newReader(ctx) // he gets nothing, and may open the file again
	case err != nil:
		return false, err
	}
	kept, release := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); _ = b.reader.Keep(kept, b.ackWait, item) }() // ends below; what is lost, the settling tells
	read, err := w.send(ctx, asLine(item.Data))
	release()
	<-done
	if !read && w.unread() > 0 {
		left = b.file.closed() || w.gone()
		err = errors.Join(err, w.close()) // so nobody reads the rest of what is handed back
	}
	err = errors.Join(err, b.settle(ctx, item, read))
	return left || !w.shut && (b.file.closed() || w.gone()), err // asked as late as can be: the next may be there
}

// settle acknowledges an item that was read whole, and hands back another. One
// that is not the bridge's any more is somebody else's already.
func (b *Bridge) settle(ctx context.Context, item *Item, read bool) error {
	how := skip
	if read {
		how = ack
	}
	err := b.reader.settle(context.WithoutCancel(ctx), []*Item{item}, how)
	if errors.Is(err, ErrNotHeld) || errors.Is(err, ErrNoOwner) {
		return nil
	}
	return err
}

// asLine is an item as a line.
func asLine(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] == newline {
		return data
	}
	return append(data[:len(data):len(data)], newline)
}

// next waits for an item for as long as there is a reader for it.
func (b *Bridge) next(ctx context.Context, w *writeEnd) (*Item, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { // ends with the reader, or below
		defer close(done)
		if w.awaitGone() {
			cancel(errReaderLeft)
		}
	}()
	item, err := b.reader.Get(ctx)
	w.interrupt()
	<-done
	cancel(nil)
	return item, errors.Join(err, w.resume())
}

func (b *Bridge) newReader(ctx context.Context) error {
	r, err := b.pipe.Reader(ctx, WithSession(b.cfg))
	if err != nil {
		return err
	}
	old := b.reader
	b.reader = r
	_ = old.Close() // it is lost
	return nil
}

// writeEnd is the file, open for writing.
type writeEnd struct {
	*os.File
	shut bool
}

// close closes it, once, if there is one.
func (w *writeEnd) close() error {
	if w == nil || w.shut {
		return nil
	}
	w.shut = true
	return w.Close()
}

// interrupt ends what waits, and resume lets it wait again.
func (w *writeEnd) interrupt()    { _ = w.SetWriteDeadline(time.Now()) } // resume tells what is wrong
func (w *writeEnd) resume() error { return w.SetWriteDeadline(time.Time{}) }

// send writes p and tells whether the reader has read the whole of it. When ctx
// has ended he has bridgeLinger for it.
func (w *writeEnd) send(ctx context.Context, p []byte) (read bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = w.SetWriteDeadline(time.Now().Add(bridgeLinger)) }) // as in interrupt
	defer stop()
	if _, err = w.Write(p); err == nil {
		err = w.await(func(fd uintptr) bool { return unread(fd) == 0 || isGone(fd) })
		read = w.unread() == 0
	}
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded) || isBroken(err):
		return read, nil
	case errors.As(err, new(*os.PathError)):
		return false, err
	}
	return false, bus.NewError(bus.CodeInternal, "%s: %v", w.Name(), err)
}

// await waits until it is so, which is asked each time a reader has read
// everything, or the last has left.
func (w *writeEnd) await(so func(fd uintptr) bool) error {
	conn, err := w.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Write(so)
}

// awaitGone waits until there is no reader; false: it was interrupted.
func (w *writeEnd) awaitGone() bool { return w.await(isGone) == nil }

// gone tells whether there is no reader.
func (w *writeEnd) gone() (so bool) {
	w.control(func(fd uintptr) { so = isGone(fd) })
	return so
}

// unread is how many bytes nobody has read.
func (w *writeEnd) unread() (n int) {
	w.control(func(fd uintptr) { n = unread(fd) })
	return n
}

func (w *writeEnd) control(do func(fd uintptr)) {
	if conn, err := w.SyscallConn(); err == nil { // of an open file it works
		_ = conn.Control(do)
	}
}
