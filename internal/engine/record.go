package engine

import (
	"bytes"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// FormatVersion is the version of the records this engine writes, and the
// newest it reads.
const FormatVersion = 1

// recordMagic starts each record, so that a foreign message is told at once.
var recordMagic = [4]byte{'l', 'w', 'j', FormatVersion}

// Kinds of records.
const (
	kindRound = 1 // transactions
	kindEpoch = 2 // the writer took a new epoch
)

// header is what every record says of itself. It is the first thing in the
// record after the magic, as a msgpack array.
type header struct {
	_msgpack    struct{} `msgpack:",as_array"`
	Kind        int
	Store       []byte // store id, 16 bytes
	Incarnation uint64
	Epoch       uint64
	ID          uint64 // of this record, never 0
	Previous    uint64 // id of the record before it; 0: the first
	Revision    uint64 // the namespace's revision before this record
	Time        int64  // engine time, nanoseconds
	Wall        int64  // wall time, nanoseconds since 1970
	Writer      string // engine id
	Count       int    // transactions that follow
}

// txnRecord is one transaction of a round as it stands in a record.
type txnRecord struct {
	revision uint64
	request  []byte // id, or empty
	user     string
	clock    uint64
	effects  []effect
	answer   []byte
}

// effect is one write of a transaction: everything of a change that does not
// follow from the state it is applied to.
type effect struct {
	bucket, key string
	op          bus.Op
	value       []byte
	owner       string
	token       uint64
	reason      string
}

// opAnew is the operation of a put on a key that its transaction may have
// deleted before: the key begins again.
const opAnew bus.Op = 3

// recordedOp is the operation of a change as a record has it.
func recordedOp(c *bus.Change) bus.Op {
	if c.Op == bus.OpPut && c.Version == 1 && c.Previous != 0 {
		return opAnew
	}
	return c.Op
}

func (ef *effect) change() *bus.Change {
	c := &bus.Change{Bucket: ef.bucket, Key: ef.key, Op: ef.op, Value: ef.value, Owner: ef.owner, Token: ef.token, Reason: ef.reason}
	if c.Op == opAnew {
		c.Op, c.Version = bus.OpPut, 1
	}
	return c
}

// encoder appends the parts of a record to a buffer.
type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

func newEncoder() *encoder {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.buf)
	e.enc.UseCompactInts(true)
	return e
}

// txn appends one transaction. Writing to memory cannot fail.
func (e *encoder) txn(tx *Tx, request, answer []byte) {
	_ = e.enc.EncodeArrayLen(6)
	_ = e.enc.EncodeUint(tx.s.revision)
	_ = e.enc.EncodeBytes(request)
	_ = e.enc.EncodeString(tx.user)
	_ = e.enc.EncodeUint(tx.clock)
	_ = e.enc.EncodeArrayLen(len(tx.changes))
	for _, c := range tx.changes {
		e.effect(c)
	}
	_ = e.enc.EncodeBytes(answer)
}

func (e *encoder) effect(c *bus.Change) {
	_ = e.enc.EncodeArrayLen(7)
	_ = e.enc.EncodeString(c.Bucket)
	_ = e.enc.EncodeString(c.Key)
	_ = e.enc.EncodeUint(uint64(recordedOp(c)))
	_ = e.enc.EncodeBytes(c.Value)
	_ = e.enc.EncodeString(c.Owner)
	_ = e.enc.EncodeUint(c.Token)
	_ = e.enc.EncodeString(c.Reason)
}

// sealRecord puts magic and header before the transactions.
func sealRecord(h *header, txns []byte) ([]byte, error) {
	head, err := bus.Marshal(h)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(recordMagic)+len(head)+len(txns))
	out = append(out, recordMagic[:]...)
	return append(append(out, head...), txns...), nil
}

// isRecord tells a record of ours from a foreign message; a version this
// engine does not know is an error.
func isRecord(data []byte) (bool, error) {
	if len(data) < len(recordMagic) || !bytes.Equal(data[:3], recordMagic[:3]) {
		return false, nil
	}
	if v := data[3]; v > FormatVersion {
		return true, bus.NewError(bus.CodeStore, "the log was written by a newer version (format %d; this is format %d)", v, FormatVersion).
			WithHint("upgrade lwj, or use another data directory")
	}
	return true, nil
}

// decodeRecord reads a record and calls each for its transactions in order.
func decodeRecord(data []byte, begin func(*header) error, each func(*txnRecord) error) error {
	r := bytes.NewReader(data[len(recordMagic):])
	d := msgpack.NewDecoder(r)
	var h header
	if err := d.Decode(&h); err != nil {
		return malformedRecord(err)
	}
	if err := begin(&h); err != nil {
		return err
	}
	for range h.Count {
		t, err := decodeTxn(d)
		if err != nil {
			return malformedRecord(err)
		}
		if err := each(t); err != nil {
			return err
		}
	}
	return nil
}

func malformedRecord(err error) error {
	return bus.NewError(bus.CodeStore, "a record of the log cannot be read: %v", err)
}

func decodeTxn(d *msgpack.Decoder) (t *txnRecord, err error) {
	t = &txnRecord{}
	if _, err = d.DecodeArrayLen(); err != nil {
		return nil, err
	}
	if t.revision, err = d.DecodeUint64(); err != nil {
		return nil, err
	}
	if t.request, err = d.DecodeBytes(); err != nil {
		return nil, err
	}
	if t.user, err = d.DecodeString(); err != nil {
		return nil, err
	}
	if t.clock, err = d.DecodeUint64(); err != nil {
		return nil, err
	}
	n, err := d.DecodeArrayLen()
	if err != nil {
		return nil, err
	}
	for range n {
		var ef effect
		if err = decodeEffect(d, &ef); err != nil {
			return nil, err
		}
		t.effects = append(t.effects, ef)
	}
	t.answer, err = d.DecodeBytes()
	return t, err
}

func decodeEffect(d *msgpack.Decoder, ef *effect) (err error) {
	if _, err = d.DecodeArrayLen(); err != nil {
		return err
	}
	if ef.bucket, err = d.DecodeString(); err != nil {
		return err
	}
	if ef.key, err = d.DecodeString(); err != nil {
		return err
	}
	op, err := d.DecodeUint64()
	if err != nil {
		return err
	}
	ef.op = bus.Op(op)
	if ef.value, err = d.DecodeBytes(); err != nil {
		return err
	}
	if ef.owner, err = d.DecodeString(); err != nil {
		return err
	}
	if ef.token, err = d.DecodeUint64(); err != nil {
		return err
	}
	ef.reason, err = d.DecodeString()
	return err
}
