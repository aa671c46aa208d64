package fifo

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Framing is how a stream of bytes is cut into items.
type Framing int

// The framings.
const (
	// Raw makes an item of each Write, of several if it is large. What is read is
	// the same bytes.
	Raw Framing = iota
	// Lines makes an item of each line, without its newline; a last line without
	// one is written by Close. What is read is the items, a newline after each.
	Lines
)

// newline ends a line.
const newline = '\n'

// StreamWriter writes a stream of bytes into a pipe. It is for one goroutine.
type StreamWriter struct {
	ctx     context.Context
	w       *Writer
	framing Framing
	rest    []byte // of a line without its end
}

// Stream returns a writer of bytes; ctx is for its writes. What one Write makes
// is put in batches. Close puts the last line of Lines, and does not close w.
func (w *Writer) Stream(ctx context.Context, f Framing) *StreamWriter {
	return &StreamWriter{ctx: ctx, w: w, framing: f}
}

// Write puts what p has.
//
// Errors: as Writer.Put; ErrTooLarge for a line over MaxItem bytes. The number
// of bytes is of the items that were put, and of the line that is not complete.
func (s *StreamWriter) Write(p []byte) (n int, err error) {
	if s.framing == Raw {
		return s.writeRaw(p)
	}
	return s.writeLines(p)
}

func (s *StreamWriter) writeRaw(p []byte) (n int, err error) {
	for n < len(p) {
		item := p[n:min(len(p), n+MaxItem)]
		if err := s.w.Put(s.ctx, item); err != nil {
			return n, err
		}
		n += len(item)
	}
	return n, nil
}

func (s *StreamWriter) writeLines(p []byte) (n int, err error) {
	var items [][]byte
	size, taken := 0, 0 // of the items; bytes of p that they are
	put := func() error {
		if len(items) == 0 {
			return nil
		}
		err := s.w.PutAll(s.ctx, items)
		if err == nil {
			items, size, n = items[:0], 0, taken
			s.rest = nil
		}
		return err
	}
	for {
		line, _, found := bytes.Cut(p[taken:], []byte{newline})
		if !found {
			break
		}
		item := line
		if len(items) == 0 && n == taken {
			item = append(s.rest[:len(s.rest):len(s.rest)], line...)
		}
		if len(items) == MaxBatch || size+len(item) > MaxBatchBytes {
			if err := put(); err != nil {
				return n, err
			}
		}
		items, size, taken = append(items, item), size+len(item), taken+len(line)+1
	}
	if err := put(); err != nil {
		return n, err
	}
	return s.keep(p, n)
}

// keep remembers the begin of a line.
func (s *StreamWriter) keep(p []byte, n int) (int, error) {
	if len(s.rest)+len(p)-n > MaxItem {
		return n, tooLarge(len(s.rest) + len(p) - n)
	}
	s.rest = append(s.rest, p[n:]...)
	return len(p), nil
}

// Close puts a last line that has no newline.
//
// Errors: as Write.
func (s *StreamWriter) Close() error {
	if len(s.rest) == 0 {
		return nil
	}
	err := s.w.Put(s.ctx, s.rest)
	if err == nil {
		s.rest = nil
	}
	return err
}

// StreamReader reads items as a stream of bytes. It is for one goroutine.
type StreamReader struct {
	ctx     context.Context
	r       *Reader
	framing Framing
	items   []*Item // that were got and are not acknowledged
	next    int     // of items: whose bytes come after rest
	rest    []byte  // to be read
}

// Stream returns a reader of bytes; ctx is for its reads. Items are
// acknowledged by the Read after the one that returned their last byte, or by
// Close: what io.Copy has not written is handed back. The stream is the
// reader's only user.
func (r *Reader) Stream(ctx context.Context, f Framing) *StreamReader {
	return &StreamReader{ctx: ctx, r: r, framing: f}
}

// Read returns what is there, and waits where nothing is.
//
// Errors: as Reader.Get, and those of Item.Ack.
func (s *StreamReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.rest) == 0 {
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	n = copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// advance goes to the next item; what was read of a whole batch is
// acknowledged before more is got.
func (s *StreamReader) advance() error {
	if s.next == len(s.items) {
		if err := s.acknowledge(); err != nil {
			return err
		}
		items, err := s.r.GetN(s.ctx, MaxBatch)
		if err != nil {
			return err
		}
		s.items = items
	}
	s.rest = s.items[s.next].Data
	if s.next++; s.framing == Lines {
		s.rest = append(s.rest[:len(s.rest):len(s.rest)], newline)
	}
	return nil
}

// acknowledge acknowledges what was read.
func (s *StreamReader) acknowledge() error {
	done := s.items[:s.next]
	s.items, s.next = s.items[s.next:], 0
	if len(done) == 0 || s.r.auto {
		return nil
	}
	return s.r.Ack(s.ctx, done...)
}

// Close acknowledges what was read whole and hands back the rest, as if it had
// not been got. It does not close the reader.
//
// Errors: as Item.Ack.
func (s *StreamReader) Close() error {
	if len(s.rest) > 0 {
		s.next--
		s.rest = nil
	}
	err := s.acknowledge()
	left := s.items
	s.items = nil
	if len(left) == 0 || s.r.auto {
		return err
	}
	return errors.Join(err, s.r.settle(s.ctx, left, skip))
}

// The streams are those of package io.
var (
	_ io.WriteCloser = (*StreamWriter)(nil)
	_ io.ReadCloser  = (*StreamReader)(nil)
)
