package fifo

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Direction says which way a bridge goes.
type Direction int

// The directions.
const (
	// In puts what is written to the file into the pipe.
	In Direction = iota
	// Out gives the pipe's items to those who read the file.
	Out
)

const (
	// bridgeLinger is how long a bridge whose context has ended waits for room
	// for what it has read, or for a reader to read what it has written.
	bridgeLinger = 5 * time.Second
	// bridgeMode is the mode of a file that a bridge makes: whoever runs it, and
	// nobody else. Another mode is mkfifo(1)'s to give, before.
	bridgeMode = 0o600
	// bridgeChunk is how many bytes are read from a file at once.
	bridgeChunk = 64 << 10
	// bridgeDrain bounds what a bridge whose context has ended still reads: what
	// a named pipe of Linux can hold.
	bridgeDrain = 1 << 20
)

// Bridge ties a pipe to a named pipe of the file system, as mkfifo(3) makes
// one, so that a program needs to know only how to read and write files.
//
// With In each line that is written to the file is an item, without its
// newline. Writers come and go; what the last of them leaves without a newline
// is an item, too (TestBridgeIn). While the pipe is full nobody reads the file,
// and its writers wait. The bridge is a Writer of the pipe.
//
// With Out each reader of the file gets one item, as a line, and then the end
// of the file: the next item is for the next who opens it (TestBridgeOut). An
// item that ends in a newline gets no other. It is acknowledged once the reader
// has read the whole of it. If he leaves before, it is handed back as if it had
// not been handed out; one who opens the file at that moment may get the rest of
// it instead. The readers of one file are served one after the other:
// several who have it open at the same time get the item of one between them,
// so each needs a bridge and a file of his own.
//
// A bridge needs Linux.
type Bridge struct {
	pipe    *Pipe
	path    string
	cfg     kvbucket.SessionConfig
	file    *namedFile
	input   *os.File      // In: the end that is read, all the time
	atOnce  int           // In: lines that are put at once
	ackWait time.Duration // Out

	writer *Writer // In
	reader *Reader // Out
	close  func() error
}

// OpenBridge makes the file at path unless it is there, and opens it and the
// pipe. The file stays when the bridge is closed: who uses it then waits for
// the next bridge. cfg is for the session.
//
// Errors: CodeUsage for a file that is no named pipe, and one that another
// bridge reads; *os.PathError for one that cannot be made or opened; those of
// Pipe.Writer and Pipe.Reader.
func OpenBridge(ctx context.Context, p *Pipe, path string, d Direction, cfg kvbucket.SessionConfig) (*Bridge, error) {
	file, err := openNamed(path)
	if err != nil {
		return nil, err
	}
	b := &Bridge{pipe: p, path: path, cfg: cfg, file: file}
	b.close = sync.OnceValue(b.closeAll)
	if err := b.open(ctx, d); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bridge) open(ctx context.Context, d Direction) error {
	info, err := b.pipe.Info(ctx)
	if err != nil {
		return err
	}
	b.atOnce, b.ackWait = linesAtOnce(info.Config), info.Config.AckWait
	if d == Out {
		b.reader, err = b.pipe.Reader(ctx, WithSession(b.cfg))
		return err
	}
	if b.input, err = b.file.reader(); err != nil {
		return err
	}
	b.writer, err = b.pipe.Writer(ctx, b.cfg)
	return err
}

// Run carries items until ctx ends or the pipe does, and returns nil then. With
// In it has put what the writers that have closed the file wrote; one that is
// still writing gets SIGPIPE. It is for one goroutine. A session that was lost,
// as of a machine that slept, is opened again.
//
// Errors: with In ErrClosed, ErrTooLarge for a line over MaxItem bytes, and
// those of Writer.Put, with what was read and not put; with Out those of
// Reader.Get but io.EOF; ErrRemoved; *os.PathError.
func (b *Bridge) Run(ctx context.Context) error {
	run := b.runOut
	if b.input != nil {
		run = b.runIn
	}
	err := run(ctx)
	if errors.Is(err, io.EOF) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// Close closes the bridge's side of the file and its session. It may be called
// more than once, after Run has returned.
//
// Errors: as kvbucket.Session.Close.
func (b *Bridge) Close() error { return b.close() }

func (b *Bridge) closeAll() error {
	errs := []error{b.file.close()}
	if b.input != nil {
		errs = append(errs, b.input.Close())
	}
	if b.writer != nil {
		errs = append(errs, b.writer.Close())
	}
	if b.reader != nil {
		errs = append(errs, b.reader.Close())
	}
	return errors.Join(errs...)
}

// Keep extends the items' time (Reader.Extend) three times in each ackWait, the
// pipe's Config.AckWait, until ctx ends, and returns nil then. With NoAckWait it
// waits likewise.
//
// Errors: why the items are no longer the reader's: ErrNotHeld, ErrRemoved, and
// those of Session.Err.
func (r *Reader) Keep(ctx context.Context, ackWait time.Duration, items ...*Item) error {
	var tick <-chan time.Time // never, with NoAckWait
	if ackWait > 0 {
		ticker := time.NewTicker(ackWait / 3)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case <-tick:
		}
		err := r.Extend(ctx, items...)
		if errors.Is(err, ErrNotHeld) || errors.Is(err, ErrRemoved) || errors.Is(err, ErrNoOwner) {
			return err // what else there is may pass
		}
	}
}

// notNamedPipe is the error of a file that no bridge can be tied to.
func notNamedPipe(path string, mode os.FileMode) error {
	what := "something else"
	switch {
	case mode.IsRegular():
		what = "a regular file"
	case mode.IsDir():
		what = "a directory"
	}
	return bus.NewError(bus.CodeUsage, "%s is %s, not a named pipe", path, what).
		WithHint("name a path where nothing is, or what mkfifo made")
}
