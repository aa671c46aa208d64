package proc

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Launcher and supervisor talk in frames over one socket pair: a header of
// headerSize bytes, then the payload.
//
//	0     kind (a Kind upwards, a command downwards)
//	1     Stream
//	2-3   task, big endian
//	4-7   size of the payload in bytes, big endian
const headerSize = 8

// The commands, launcher to supervisor. The first frame is always cmdSpec.
const (
	cmdSpec    byte = iota + 100 // payload: wireSpec
	cmdRelease                   // no payload
	cmdSignal                    // payload: the signal's number, 8 bytes
	cmdStop                      // payload: the grace in nanoseconds, 8 bytes
	cmdKill                      // no payload
)

type header struct {
	kind   byte
	stream Stream
	task   uint16
	size   uint32
}

func (h header) put(b []byte) {
	b[0], b[1] = h.kind, byte(h.stream)
	binary.BigEndian.PutUint16(b[2:], h.task)
	binary.BigEndian.PutUint32(b[4:], h.size)
}

func (h header) limit() uint32 {
	if h.kind == cmdSpec {
		return MaxSpec
	}
	return MaxFrame
}

// frame appends one frame to b.
func frame(b []byte, kind byte, task int, payload []byte) []byte {
	var raw [headerSize]byte
	header{kind: kind, task: uint16(task), size: uint32(len(payload))}.put(raw[:])
	return append(append(b, raw[:]...), payload...)
}

// readFrame reads one frame; the payload is read into buf, which grows as
// needed and is returned.
//
// Errors: io.EOF at the end, between two frames; errProtocol for a frame over
// its limit.
func readFrame(r io.Reader, buf []byte) (header, []byte, error) {
	var raw [headerSize]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return header{}, buf, err
	}
	h := header{
		kind:   raw[0],
		stream: Stream(raw[1]),
		task:   binary.BigEndian.Uint16(raw[2:]),
		size:   binary.BigEndian.Uint32(raw[4:]),
	}
	if h.size > h.limit() {
		return h, buf, fmt.Errorf("%w: frame %d of %d bytes", errProtocol, h.kind, h.size)
	}
	if uint32(cap(buf)) < h.size {
		buf = make([]byte, h.size)
	}
	buf = buf[:h.size]
	_, err := io.ReadFull(r, buf)
	return h, buf, err
}

// number is the payload of cmdSignal and cmdStop.
func number(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

func parseNumber(b []byte) (int64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: number of %d bytes", errProtocol, len(b))
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// status is the payload of every event but Output: pid, code and signal as
// four bytes each, then the error's text.
const statusSize = 12

func encodeStatus(ev Event) []byte {
	b := make([]byte, 0, statusSize+len(ev.Err))
	for _, v := range []int{ev.Pid, ev.Code, ev.Signal} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return append(b, ev.Err[:min(len(ev.Err), maxText)]...)
}

// decodeEvent makes the event of an upward frame. Data aliases payload.
func decodeEvent(h header, payload []byte) (Event, error) {
	ev := Event{Kind: Kind(h.kind), Task: int(h.task)}
	if ev.Kind == Output {
		ev.Stream, ev.Data = h.stream, payload
		return ev, nil
	}
	if ev.Kind < Held || ev.Kind > Done || len(payload) < statusSize {
		return ev, fmt.Errorf("%w: frame of kind %d", errProtocol, h.kind)
	}
	ev.Pid = int(binary.BigEndian.Uint32(payload))
	ev.Code = int(binary.BigEndian.Uint32(payload[4:]))
	ev.Signal = int(binary.BigEndian.Uint32(payload[8:]))
	ev.Err = string(payload[statusSize:])
	return ev, nil
}
