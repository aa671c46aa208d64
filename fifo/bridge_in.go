package fifo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runIn puts the lines that are written to the file.
func (b *Bridge) runIn(ctx context.Context) error {
	puts, cancel := lingering(ctx, bridgeLinger)
	defer cancel()
	lines := b.writer.Stream(puts, Lines)
	stop := context.AfterFunc(ctx, func() { _ = b.input.SetReadDeadline(time.Now()) }) // of an open file it works
	defer stop()
	in, err := b.input.SyscallConn()
	if err != nil {
		return err
	}
	for buf := make([]byte, bridgeChunk); ; {
		n, err := readSome(in, buf, len(lines.rest) > 0)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return b.drain(puts, in, lines, buf)
		case err != nil:
			return &os.PathError{Op: "read", Path: b.path, Err: err}
		case n == 0:
			err = b.endLine(puts, lines)
		default:
			err = b.put(puts, lines, buf[:n])
		}
		if err != nil {
			return err
		}
	}
}

// lingering is a context that ends a while after ctx.
func lingering(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { cancel(context.Cause(ctx)) }) })
	return longer, func() { stop(); cancel(nil) }
}

// readSome reads what there is, and waits where nothing is. It returns 0 when
// nobody has the file open for writing, if somebody has left a line (begun), and
// else waits for the next.
func readSome(in syscall.RawConn, buf []byte, begun bool) (n int, err error) {
	var failed error
	err = in.Read(func(fd uintptr) bool {
		n, failed = readOnce(fd, buf)
		return n > 0 || failed != nil && !errors.Is(failed, unix.EAGAIN) || failed == nil && begun
	})
	return n, errors.Join(err, failed)
}

func readOnce(fd uintptr, buf []byte) (n int, err error) {
	for {
		if n, err = unix.Read(int(fd), buf); !errors.Is(err, unix.EINTR) {
			return max(n, 0), err
		}
	}
}

// drain puts what is left in the file, and waits for nothing more.
func (b *Bridge) drain(ctx context.Context, in syscall.RawConn, lines *StreamWriter, buf []byte) error {
	if err := b.input.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for total := 0; total < bridgeDrain; {
		n := 0
		if err := in.Read(func(fd uintptr) bool { n, _ = readOnce(fd, buf); return true }); err != nil || n == 0 {
			return errors.Join(err, b.endLine(ctx, lines))
		}
		if err := b.put(ctx, lines, buf[:n]); err != nil {
			return err
		}
		total += n
	}
	return b.endLine(ctx, lines)
}

// put puts the lines of p, and keeps the begin of one.
func (b *Bridge) put(ctx context.Context, lines *StreamWriter, p []byte) error {
	for len(p) > 0 {
		part := firstLines(p, b.atOnce)
		p = p[len(part):]
		err := b.again(ctx, lines, func() (int, error) {
			n, err := lines.Write(part)
			part = part[n:]
			return len(lines.rest) + len(part) + len(p), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstLines is p up to the end of its nth line.
func firstLines(p []byte, n int) []byte {
	end := 0
	for range n {
		i := bytes.IndexByte(p[end:], newline)
		if i < 0 {
			return p
		}
		end += i + 1
	}
	return p[:end]
}

// linesAtOnce is how many lines of a chunk certainly fit an empty pipe.
func linesAtOnce(c Config) int {
	if c.MaxBytes < MaxItem+bridgeChunk {
		return 1
	}
	return min(c.MaxItems, MaxBatch)
}

// endLine puts a line that nobody will end.
func (b *Bridge) endLine(ctx context.Context, lines *StreamWriter) error {
	return b.again(ctx, lines, func() (int, error) { return len(lines.rest), lines.Close() })
}

// again does what puts, which tells how many bytes it has left, and once more
// when the session was lost.
func (b *Bridge) again(ctx context.Context, lines *StreamWriter, do func() (int, error)) error {
	for {
		left, err := do()
		if errors.Is(err, ErrNoOwner) {
			if err = b.newWriter(ctx); err == nil {
				lines.w = b.writer
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("%d bytes that were read from %s were not put: %w", left, b.path, err)
		}
		return nil
	}
}

func (b *Bridge) newWriter(ctx context.Context) error {
	w, err := b.pipe.Writer(ctx, b.cfg)
	if err != nil {
		return err
	}
	old := b.writer
	b.writer = w
	_ = old.Close() // it is lost
	return nil
}
