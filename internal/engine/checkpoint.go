package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// When checkpoints are written and what the log keeps.
const (
	DefaultCheckpointAfter = 64 << 20
	DefaultKeep            = 10 * time.Minute
	markEvery              = int64(10 * time.Second)
	checkpointBuffer       = 1 << 20
)

// checkpointHead is the first value of a checkpoint. The slots follow, each an
// array of changes, oldest first; then the answers of the once table.
type checkpointHead struct {
	_msgpack    struct{} `msgpack:",as_array"`
	Format      int
	Store       []byte
	Incarnation uint64
	Epoch       uint64
	Revision    uint64
	Sequence    uint64 // newest record of the log that is in it
	Record      uint64 // its id
	Time        int64  // engine time
	OnceFloor   uint64
	Slots       int
	Answers     int
	Floors      map[string]uint64
}

// checkpoint is a state on its way to or from the store. Its parts are shared
// with the engine and never change.
type checkpoint struct {
	head    checkpointHead
	keys    *keyspace
	answers []answered
}

// mark says up to where the log stood at a time.
type mark struct {
	time int64
	seq  uint64
}

// saver is what the loop knows of checkpoints.
type saver struct {
	logged int64         // bytes of log since the newest checkpoint
	saving int64         // the same of the one that is being written
	busy   chan struct{} // not nil while one is written; closed when it is done
	saved  []uint64      // sequences of the two newest, oldest first
	done   chan uint64   // the sequence of one that is sealed
	marks  []mark
}

// considerCheckpoint starts a checkpoint when the log since the last is large,
// and drops what no recovery needs.
func (e *Engine) considerCheckpoint() {
	e.mark()
	e.scansTick()
	e.considerShedding()
	if e.cfg.Checkpoints == nil {
		return
	}
	select {
	case seq := <-e.saver.done:
		e.sealed(seq)
	default:
	}
	if e.saver.busy != nil || e.saver.logged < max(e.cfg.CheckpointAfter, e.head.bytes/2) {
		return
	}
	e.startCheckpoint()
}

// mark remembers, from time to time, where the log stands.
func (e *Engine) mark() {
	if n := len(e.saver.marks); n == 0 || e.now-e.saver.marks[n-1].time >= markEvery {
		e.saver.marks = append(e.saver.marks, mark{e.now, e.seq})
	}
}

// scansTick drops an unused scan each time a mark is due.
func (e *Engine) scansTick() {
	if n := len(e.saver.marks); e.saver.marks[n-1].time == e.now {
		e.scans.expire()
	}
}

// acked is the state as of the newest acknowledged record.
func (e *Engine) ackedState() *checkpoint {
	s := e.view.Load()
	answers := e.once.entries
	for n := len(answers); n > 0 && answers[n-1].revision > s.revision; n = len(answers) {
		answers = answers[:n-1]
	}
	cp := &checkpoint{keys: &s.keyspace, answers: answers[:len(answers):len(answers)]}
	cp.head = checkpointHead{
		Format: FormatVersion, Store: e.cfg.StoreID, Incarnation: e.incarn, Epoch: e.epoch, Revision: s.revision,
		Sequence: e.seq, Record: e.last, Time: e.engineTime(), OnceFloor: e.once.floor, Answers: len(answers), Floors: map[string]uint64{},
	}
	s.buckets.Scan(func(name string, k *keys) bool {
		cp.head.Slots += k.live.Len() + k.dead.Len()
		if k.floor > 0 {
			cp.head.Floors[name] = k.floor
		}
		return true
	})
	return cp
}

// startCheckpoint writes one beside the loop; Close waits for it.
func (e *Engine) startCheckpoint() {
	cp := e.ackedState()
	e.saver.saving, e.saver.logged, e.saver.busy = e.saver.logged, 0, make(chan struct{})
	busy := e.saver.busy
	e.wg.Go(func() {
		defer close(busy)
		if err := e.cfg.Checkpoints.Save(e.ctx, cp.write); err != nil {
			e.cfg.Logger.Warn("a checkpoint was not written", "error", err)
			cp.head.Sequence = 0
		}
		select {
		case e.saver.done <- cp.head.Sequence:
		case <-e.ctx.Done():
		}
	})
}

// sealed takes note of a new checkpoint and trims the log behind the older one.
func (e *Engine) sealed(seq uint64) {
	e.saver.busy = nil
	if seq == 0 { // not written: due again at once
		e.saver.logged += e.saver.saving
		return
	}
	if e.saver.saved = append(e.saver.saved, seq); len(e.saver.saved) < 2 {
		return
	}
	e.saver.saved = e.saver.saved[len(e.saver.saved)-2:]
	until := min(e.saver.saved[0], e.kept())
	if e.project != nil {
		until = min(until, e.project.Cursor())
	}
	e.wg.Go(func() { // bounded by the context; Close waits
		if err := e.cfg.Log.Trim(e.ctx, until); err != nil && e.ctx.Err() == nil {
			e.cfg.Logger.Warn("the log was not trimmed", "error", err)
		}
	})
}

// kept is the first record that is younger than Keep.
func (e *Engine) kept() uint64 {
	m := e.saver.marks
	for len(m) > 1 && e.now-m[1].time > int64(e.cfg.Keep) {
		m = m[1:]
	}
	e.saver.marks = m
	if e.now-m[0].time <= int64(e.cfg.Keep) {
		return 0
	}
	return m[0].seq
}

// write encodes the checkpoint in pieces.
func (cp *checkpoint) write(chunk func([]byte) error) error {
	w := bufio.NewWriterSize(pieceWriter(chunk), checkpointBuffer)
	enc := msgpack.NewEncoder(w)
	enc.UseCompactInts(true)
	if err := enc.Encode(&cp.head); err != nil {
		return err
	}
	if err := cp.writeSlots(enc); err != nil {
		return err
	}
	for _, a := range cp.answers {
		if err := encodeAnswer(enc, a); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (cp *checkpoint) writeSlots(enc *msgpack.Encoder) (err error) {
	slot := func(_ string, sl *slot) bool {
		err = enc.EncodeArrayLen(len(sl.older) + 1)
		sl.versions(func(c *bus.Change) {
			if err == nil {
				err = c.EncodeMsgpack(enc)
			}
		})
		return err == nil
	}
	cp.keys.buckets.Scan(func(_ string, k *keys) bool {
		k.live.Scan(slot)
		if err == nil {
			k.dead.Scan(slot)
		}
		return err == nil
	})
	return err
}

func encodeAnswer(enc *msgpack.Encoder, a answered) error {
	if err := enc.EncodeArrayLen(4); err != nil {
		return err
	}
	if err := enc.EncodeBytes(a.id[:]); err != nil {
		return err
	}
	if err := enc.EncodeUint(a.revision); err != nil {
		return err
	}
	if err := enc.EncodeInt(a.time); err != nil {
		return err
	}
	return enc.EncodeBytes(a.body())
}

// pieceWriter makes an io.Writer of a function that takes pieces.
type pieceWriter func([]byte) error

// Write hands on p as one piece.
func (w pieceWriter) Write(p []byte) (int, error) {
	if err := w(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// readCheckpoint decodes a checkpoint into a state that is empty.
func readCheckpoint(r io.Reader, s *state, o *once) (*checkpointHead, error) {
	d := msgpack.NewDecoder(bufio.NewReaderSize(r, checkpointBuffer))
	h := &checkpointHead{}
	if err := d.Decode(h); err != nil {
		return nil, err
	}
	if h.Format > FormatVersion {
		return nil, bus.NewError(bus.CodeStore, "the checkpoint was written by a newer version (format %d; this is format %d)", h.Format, FormatVersion).
			WithHint("upgrade lwj, or use another data directory")
	}
	for range h.Slots {
		sl, err := readSlot(d)
		if err != nil {
			return nil, err
		}
		s.load(sl)
	}
	s.loaded()
	for name, floor := range h.Floors {
		s.touch(name).floor = floor
	}
	s.revision, o.floor = h.Revision, h.OnceFloor
	for range h.Answers {
		if err := readAnswer(d, o); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func readSlot(d *msgpack.Decoder) (*slot, error) {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("a slot of %d changes", n)
	}
	sl := &slot{}
	for range n - 1 {
		c := &bus.Change{}
		if err := c.DecodeMsgpack(d); err != nil {
			return nil, err
		}
		sl.older = append(sl.older, c)
	}
	sl.cur = &bus.Change{}
	return sl, sl.cur.DecodeMsgpack(d)
}

func readAnswer(d *msgpack.Decoder, o *once) error {
	if _, err := d.DecodeArrayLen(); err != nil {
		return err
	}
	id, err := d.DecodeBytes()
	if err != nil {
		return err
	}
	a := answered{}
	copy(a.id[:], id)
	if a.revision, err = d.DecodeUint64(); err != nil {
		return err
	}
	if a.time, err = d.DecodeInt64(); err != nil {
		return err
	}
	if a.answer, err = d.DecodeBytes(); err != nil {
		return err
	}
	o.add(a)
	return nil
}

// loadCheckpoint reads the nth newest checkpoint.
func (e *Engine) loadCheckpoint(ctx context.Context, nth int) (*checkpointHead, error) {
	e.head, e.once = newState(e.buckets), newOnce()
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() { // ends when all pieces are handed on or the reader gave up; waited for below
		defer close(done)
		err := e.cfg.Checkpoints.Load(ctx, nth, func(chunk []byte) error {
			_, err := pw.Write(chunk)
			return err
		})
		pw.CloseWithError(err)
	}()
	h, err := readCheckpoint(pr, e.head, e.once)
	if err == nil {
		_, err = io.Copy(io.Discard, pr) // the seal counts, not what came before it
	}
	pr.CloseWithError(err)
	<-done
	return h, err
}
