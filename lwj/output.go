package lwj

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lwjbus/lwjbus/bus"
)

// The streams of a task.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Bounds of output requests.
const (
	MaxChunk  = 256 << 10 // bytes of one chunk
	MaxAppend = 4 << 20   // bytes of one append
	MaxChunks = 1024      // of one append
)

// AppendRequest appends output of jobs. Verb "job.output".
type AppendRequest struct {
	Chunks []Chunk `msgpack:"c"`
}

// Chunk is a piece of what a task prints.
type Chunk struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       uint64
	Epoch    uint64 // of the job's owner, which appends it; of a chunk that was read: its owner then
	Task     int
	Stream   string // Stdout or Stderr
	Offset   uint64 // appended: what this task printed on this stream before, under this epoch; read: under all epochs
	Data     []byte // at most MaxChunk
}

// AppendAnswer says for each chunk what became of it, in their order.
type AppendAnswer struct {
	Results []AppendResult `msgpack:"r"`
}

// AppendResult is what became of one chunk. Without an error it is on disk,
// was there before, or is over the job's output limit and dropped.
type AppendResult struct {
	Error    *bus.Error `msgpack:"e,omitempty"` // ErrGap (Revision: the offset that is expected), ErrFenced, ErrNoJob, or the store's
	Dropped  bool       `msgpack:"d,omitempty"` // over the limit, in part or whole
	Expected uint64     `msgpack:"x,omitempty"` // offset of the next chunk
}

// Err returns the refusal, or nil.
func (r *AppendResult) Err() error {
	if r.Error == nil {
		return nil
	}
	return r.Error
}

// ReadRequest reads output of a job. Verb "job.read".
type ReadRequest struct {
	ID     uint64 `msgpack:"i"`
	Task   int    `msgpack:"t"`           // AllTasks: every task
	Stream string `msgpack:"s,omitempty"` // empty: both
	Offset uint64 `msgpack:"o,omitempty"` // first byte, for one task and stream; only with Cursor 0
	Cursor uint64 `msgpack:"c,omitempty"` // Next of the answer before; 0: from the beginning or Offset
}

// AllTasks reads the output of every task.
const AllTasks = -1

// ReadAnswer is the next output in the order it was stored.
type ReadAnswer struct {
	Chunks []Chunk `msgpack:"c,omitempty"`
	Next   uint64  `msgpack:"n"`           // cursor to go on with
	End    bool    `msgpack:"e,omitempty"` // the job has ended and nothing follows
}

// Append stores output of jobs that the caller owns, at most MaxChunks chunks
// and MaxAppend bytes, and returns what became of each. What it answers
// without an error is on disk. It may be repeated: what is stored already is
// dropped (TestAppendRetry).
//
// Errors: CodeUsage and ErrTooLarge for a request out of bounds; those of
// bus.Conn.Call.
func (c *Client) Append(ctx context.Context, chunks ...Chunk) ([]AppendResult, error) {
	var answer AppendAnswer
	err := c.conn.Call(ctx, VerbOutput, AppendRequest{Chunks: chunks}, &answer, bus.Read())
	return answer.Results, err
}

// OutputOptions says which output is read. The zero value: of task 0, both
// streams, from the beginning to what there is now.
type OutputOptions struct {
	Task   int    // AllTasks: every task
	Stream string // Stdout or Stderr. Default: both.
	Offset uint64 // first byte; for one task and one stream
	Follow bool   // wait for more until the job has ended
}

// OutputReader reads the output of a job. One goroutine uses it at a time.
type OutputReader struct {
	client *Client
	req    ReadRequest
	follow bool
	ready  []Chunk
	end    bool
	empty  bool // the last answer had nothing
}

// Output returns a reader of the output of a job; nothing is asked before the
// first Next.
func (c *Client) Output(id uint64, o OutputOptions) *OutputReader {
	return &OutputReader{client: c, follow: o.Follow, req: ReadRequest{ID: id, Task: o.Task, Stream: o.Stream, Offset: o.Offset}}
}

// Next returns the next chunk: the chunks of one task and stream follow each
// other in Offset without a gap, but where output was dropped for want of
// room.
//
// Errors: io.EOF at the end: the job has ended and all is read, or, without
// Follow, nothing more is there now. ErrNoJob; CodeUsage; those of
// bus.Conn.Call.
func (r *OutputReader) Next(ctx context.Context) (*Chunk, error) {
	for len(r.ready) == 0 {
		if r.end || r.empty && !r.follow {
			return nil, io.EOF
		}
		if err := r.more(ctx); err != nil {
			return nil, err
		}
	}
	chunk := &r.ready[0]
	r.ready = r.ready[1:]
	return chunk, nil
}

func (r *OutputReader) more(ctx context.Context) error {
	opts := []bus.CallOption{bus.Read()}
	if r.follow {
		opts = append(opts, bus.Wait(bus.MaxWait))
	}
	var answer ReadAnswer
	if err := r.client.conn.Call(ctx, VerbRead, r.req, &answer, opts...); err != nil {
		return err
	}
	r.ready, r.end, r.empty = answer.Chunks, answer.End, len(answer.Chunks) == 0
	r.req.Cursor = answer.Next
	return context.Cause(ctx)
}

// Copy writes the output to the writer of its stream until the end. A nil
// writer takes nothing.
//
// Errors: those of Next but io.EOF; those of the writers.
func (r *OutputReader) Copy(ctx context.Context, stdout, stderr io.Writer) error {
	for {
		chunk, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w := stdout
		if chunk.Stream == Stderr {
			w = stderr
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(chunk.Data); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
}
