package cli

import (
	"context"
	"io"
)

// input is standard input that ends with the command: a signal is not kept
// waiting for whoever holds the other end open.
type input struct {
	ctx context.Context
	in  io.Reader
}

func (a *app) input(ctx context.Context) io.Reader { return &input{ctx, a.In} }

// Read is that of the input, or the cause of the end of ctx. A read that is
// left behind ends with the process.
func (i *input) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done, buffer := make(chan result, 1), make([]byte, len(p))
	go func() { // ends with the read; nobody waits when ctx ended first
		n, err := i.in.Read(buffer)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buffer[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}
