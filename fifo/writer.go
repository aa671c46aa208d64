package fifo

import (
	"context"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// Writer is a registered writer of a pipe: as long as one is open, readers that
// asked for it wait for more. It is registered for as long as its session
// lives, which Close ends. Safe for concurrent use.
type Writer struct {
	pipe    *Pipe
	session *kvbucket.Session
}

// Writer opens a writer. cfg is its session's, whose zero value works.
//
// Errors: ErrClosed, ErrRemoved; those of kvbucket.OpenSession.
func (p *Pipe) Writer(ctx context.Context, cfg kvbucket.SessionConfig) (*Writer, error) {
	s, err := kvbucket.OpenSession(ctx, p.conn, cfg)
	if err != nil {
		return nil, err
	}
	in := writerRequest{p.pipeRequest, s.ID(), s.Token()}
	if err := p.conn.Call(ctx, verbWriter, &in, nil); err != nil {
		_ = s.Close() // an owner that owns nothing ends with its lease at the latest
		return nil, err
	}
	return &Writer{p, s}, nil
}

// Session is what keeps the writer: Lost is closed when it ends.
func (w *Writer) Session() *kvbucket.Session { return w.session }

// Close closes the writer. When it is the last of its pipe, readers that asked
// for it get what is left and then io.EOF. A writer whose process dies counts as
// closed when its lease ends (TestWriterLease). It may be called more than once.
//
// Errors: as kvbucket.Session.Close.
func (w *Writer) Close() error { return w.session.Close() }

// Put is Pipe.Put.
//
// Errors: ErrNoOwner when the session has ended; those of Pipe.Put.
func (w *Writer) Put(ctx context.Context, item []byte) error {
	return w.PutAll(ctx, [][]byte{item})
}

// PutAll is Pipe.PutAll.
//
// Errors: as Put.
func (w *Writer) PutAll(ctx context.Context, items [][]byte) error {
	return w.pipe.put(ctx, w.request(items), true)
}

// TryPut is Pipe.TryPut.
//
// Errors: as Put, and ErrFull.
func (w *Writer) TryPut(ctx context.Context, item []byte) error {
	return w.TryPutAll(ctx, [][]byte{item})
}

// TryPutAll is Pipe.TryPutAll.
//
// Errors: as TryPut.
func (w *Writer) TryPutAll(ctx context.Context, items [][]byte) error {
	return w.pipe.put(ctx, w.request(items), false)
}

func (w *Writer) request(items [][]byte) *putRequest {
	return &putRequest{Items: items, Owner: w.session.ID(), Token: w.session.Token()}
}
