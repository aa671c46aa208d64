package fifo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
)

// TestStream: what is written in bytes is read in bytes, and what is written
// in lines is read in lines, however it was cut.
func TestStream(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	random := rand.NewChaCha8([32]byte{1})
	blob := make([]byte, 3<<20)
	_, _ = random.Read(blob) // it never fails
	lines := strings.Repeat("one\n\nthree, which is longer\n", 2000)
	for name, s := range map[string]struct {
		framing   fifo.Framing
		in, want  string
		bytewise  bool
		wantItems uint64
	}{
		"raw":         {fifo.Raw, string(blob), string(blob), false, 0},
		"lines":       {fifo.Lines, lines, lines, false, 6000},
		"halves":      {fifo.Lines, lines[:280], lines[:280], true, 30},
		"no newline":  {fifo.Lines, "a\nb", "a\nb\n", false, 2},
		"only":        {fifo.Lines, "\n", "\n", false, 1},
		"nothing":     {fifo.Lines, "", "", false, 0},
		"long line":   {fifo.Lines, strings.Repeat("x", fifo.MaxItem) + "\ny", strings.Repeat("x", fifo.MaxItem) + "\ny\n", false, 2},
		"raw by byte": {fifo.Raw, "abc", "abc", true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := create(t, c, name, fifo.Config{})
			w := p.writer(0)
			done := make(chan error, 1)
			go func() {
				in := io.Reader(strings.NewReader(s.in))
				if s.bytewise {
					in = iotest.OneByteReader(in)
				}
				out := w.Stream(p.ctx, s.framing)
				_, err := io.Copy(struct{ io.Writer }{out}, in)
				done <- errors.Join(err, out.Close(), w.Close())
			}()
			r := p.reader(fifo.UntilWritersClose()).Stream(p.ctx, s.framing)
			var got bytes.Buffer
			_, err := io.Copy(&got, r)
			check(t, err)
			check(t, <-done)
			check(t, r.Close())
			if got.String() != s.want {
				t.Fatalf("want %d bytes, got %d others", len(s.want), got.Len())
			}
			p.counts(0, 0, 0)
			if n := p.info().Put; s.wantItems != 0 && n != s.wantItems {
				t.Fatalf("want %d items, got %d", s.wantItems, n)
			}
		})
	}
}

// TestStreamClose: what a stream has not returned whole goes back, as if it had
// not been got.
func TestStreamClose(t *testing.T) {
	t.Parallel()
	_, c := inProcess(t)
	p := create(t, c, "p", fifo.Config{MaxDeliver: 1})
	p.put("12345", "6789", "abc", "d")
	s := p.reader().Stream(p.ctx, fifo.Raw)
	buf := make([]byte, 7)
	_, err := io.ReadFull(s, buf)
	check(t, err)
	same(t, "1234567", string(buf))
	check(t, s.Close())
	p.counts(3, 0, 0)
	r := p.reader(fifo.AutoAck())
	items := r.getN(9)
	same(t, "6789 abc d", says(items))
	same(t, 1, items[0].Deliveries)
}

// TestStreamErrors: a write says how much of it was put.
func TestStreamErrors(t *testing.T) {
	t.Parallel()
	b, c := inProcess(t)
	p := create(t, c, "p", fifo.Config{MaxItems: 600})
	w := p.writer(0)
	ctx, cancel := context.WithCancel(p.ctx)
	s := w.Stream(ctx, fifo.Lines)
	go func() { b.blocked(1); cancel() }()
	n, err := s.Write([]byte(strings.Repeat("x\n", 700)))
	wantError(t, context.Canceled, err)
	same(t, 2*fifo.MaxBatch, n)
	same(t, fifo.MaxBatch, p.info().Ready)
	n, err = w.Stream(p.ctx, fifo.Lines).Write(make([]byte, fifo.MaxItem+1))
	wantError(t, fifo.ErrTooLarge, err)
	same(t, 0, n)
	check(t, p.Remove(p.ctx))
	_, err = w.Stream(p.ctx, fifo.Raw).Write([]byte("x"))
	wantError(t, fifo.ErrRemoved, err)
	_, err = p.reader().Stream(p.ctx, fifo.Raw).Read(make([]byte, 1))
	wantError(t, fifo.ErrRemoved, err)
	same(t, bus.CodeRemoved, bus.CodeOf(err))
}
