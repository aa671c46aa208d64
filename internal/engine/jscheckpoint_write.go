package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// chunkWriter is one Save under way.
type chunkWriter struct {
	c      *StreamCheckpoints
	ctx    context.Context
	id     string
	buf    []byte
	free   [][]byte // buffers whose chunks are stored
	flying []flyingChunk
	hash   hash.Hash
	chunks int
	bytes  int64
}

// flyingChunk is a published chunk whose acknowledgement has not come.
type flyingChunk struct {
	ack jetstream.PubAckFuture
	buf []byte
}

// write copies one piece of the caller into chunks.
func (w *chunkWriter) write(piece []byte) error {
	for len(piece) > 0 {
		n := min(len(piece), CheckpointChunk-len(w.buf))
		w.buf = append(w.buf, piece[:n]...)
		piece = piece[n:]
		if len(w.buf) == CheckpointChunk {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.ctx.Err()
}

// flush publishes the chunk that is being filled.
func (w *chunkWriter) flush() error {
	if len(w.flying) == chunksInFlight {
		if err := w.await(); err != nil {
			return err
		}
	}
	w.hash.Write(w.buf)
	w.bytes += int64(len(w.buf))
	ack, err := w.publish(strconv.Itoa(w.chunks), w.buf)
	if err != nil {
		return err
	}
	w.flying = append(w.flying, flyingChunk{ack, w.buf})
	w.chunks++
	w.buf = nil
	if n := len(w.free); n > 0 {
		w.buf, w.free = w.free[n-1][:0], w.free[:n-1]
	} else {
		w.buf = make([]byte, 0, CheckpointChunk)
	}
	return nil
}

func (w *chunkWriter) publish(token string, data []byte) (jetstream.PubAckFuture, error) {
	return w.c.js.PublishMsgAsync(&nats.Msg{Subject: w.c.subject + "." + w.id + "." + token, Data: data}, jetstream.WithStallWait(chunkTimeout))
}

// await waits for the oldest chunk in flight.
func (w *chunkWriter) await() error {
	f := w.flying[0]
	w.flying = w.flying[1:]
	select {
	case <-f.ack.Ok():
		w.free = append(w.free, f.buf)
		return nil
	case err := <-f.ack.Err():
		return err
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// seal ends the checkpoint: only when every chunk is stored does its seal follow.
func (w *chunkWriter) seal() error {
	if len(w.buf) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	for len(w.flying) > 0 {
		if err := w.await(); err != nil {
			return err
		}
	}
	data, err := json.Marshal(seal{Format: StreamFormat, Chunks: w.chunks, Bytes: w.bytes, SHA256: hex.EncodeToString(w.hash.Sum(nil))})
	if err != nil {
		return err
	}
	ack, err := w.publish(sealToken, data)
	if err != nil {
		return err
	}
	w.flying = append(w.flying, flyingChunk{ack, nil})
	return w.await()
}

// drop removes what is stored of a save that failed. What stays goes with the
// next save.
func (w *chunkWriter) drop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), cleanupTimeout)
	defer cancel()
	if err := w.c.remove(ctx, w.id); err != nil {
		w.c.logger.Warn("an unsealed checkpoint stays until the next save", "id", w.id, "error", err)
	}
}
