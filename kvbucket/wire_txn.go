package kvbucket

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// verbTxn is the verb of transactions: txnRequest, txnAnswer.
const verbTxn = "kv.txn"

// opKind names an operation. The numbers travel: none is ever used again.
type opKind uint8

const (
	opGet         opKind = 1
	opGetRange    opKind = 2
	opExists      opKind = 3
	opCount       opKind = 4
	opKeys        opKind = 5
	opPut         opKind = 6
	opSetOwner    opKind = 7
	opCreate      opKind = 8
	opSetDefault  opKind = 9
	opSwap        opKind = 10
	opPutAll      opKind = 11
	opPop         opKind = 12
	opPopRange    opKind = 13
	opDelete      opKind = 14
	opDeleteRange opKind = 15
)

// wireOp is an Op as it travels. Trailing fields that say nothing are left out.
type wireOp struct {
	Kind     opKind
	Bucket   string
	Key      string // of a range: its From
	Value    []byte
	Owner    *wireOwner // nil: the one there is
	If       *uint64    // revision the key must be at; 0: it must not exist; nil: any
	To       *string    // of a range; nil: unbounded
	WithKeys bool
	Bare     bool // entries are returned without values
	Keys     []string
	Values   [][]byte // of Keys
}

// condKind names a condition. The numbers travel.
type condKind uint8

const (
	condExists     condKind = 1 // Equal: it exists; NotEqual: it does not
	condValue      condKind = 2
	condOwner      condKind = 3 // Value is the id, empty for none
	condRevision   condKind = 4
	condVersion    condKind = 5
	condRegistered condKind = 6 // Key is the id, Number the token
)

// wireCond is a Cond as it travels.
type wireCond struct {
	Kind     condKind
	Bucket   string
	Key      string
	Operator Operator
	Value    []byte
	Number   uint64
}

// txnRequest is a Txn as it travels.
type txnRequest struct {
	If         []wireCond
	Then, Else []wireOp
}

// branch is the operations to do.
func (r *txnRequest) branch(succeeded bool) []wireOp {
	if succeeded {
		return r.Then
	}
	return r.Else
}

// txnAnswer is how a transaction went; its revision is that of the response.
type txnAnswer struct {
	Succeeded bool
	Results   []wireResult
}

// wireResult is a Result as it travels.
type wireResult struct {
	Count   uint64
	Changes []*bus.Change
	Keys    []string
}

// used is how many fields say something.
func (o *wireOp) used() int {
	switch {
	case len(o.Keys) > 0:
		return 11
	case o.WithKeys || o.Bare:
		return 9
	case o.To != nil:
		return 7
	case o.If != nil:
		return 6
	case o.Owner != nil:
		return 5
	case len(o.Value) > 0:
		return 4
	}
	return 3
}

func (o *wireOp) EncodeMsgpack(e *msgpack.Encoder) error {
	fields := [...]any{uint8(o.Kind), o.Bucket, o.Key, o.Value, o.Owner, o.If, o.To, o.WithKeys, o.Bare, o.Keys, o.Values}
	return bus.EncodeFields(e, fields[:o.used()]...)
}

func (o *wireOp) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, (*uint8)(&o.Kind), &o.Bucket, &o.Key, &o.Value, &o.Owner, &o.If, &o.To, &o.WithKeys, &o.Bare, &o.Keys, &o.Values)
}

func (c *wireCond) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, uint8(c.Kind), c.Bucket, c.Key, string(c.Operator), c.Value, c.Number)
}

func (c *wireCond) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 6, (*uint8)(&c.Kind), &c.Bucket, &c.Key, (*string)(&c.Operator), &c.Value, &c.Number)
}

func (r *txnRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.If, r.Then, r.Else)
}

func (r *txnRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.If, &r.Then, &r.Else)
}

func (a *txnAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Succeeded, a.Results)
}

func (a *txnAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Succeeded, &a.Results)
}

func (r *wireResult) EncodeMsgpack(e *msgpack.Encoder) error {
	fields := [...]any{r.Count, changeList(r.Changes), r.Keys}
	n := 3
	switch {
	case len(r.Keys) > 0:
	case len(r.Changes) > 0:
		n = 2
	default:
		n = 1
	}
	return bus.EncodeFields(e, fields[:n]...)
}

func (r *wireResult) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.Count, (*changeList)(&r.Changes), &r.Keys)
}

// changeList is changes as they travel, none of them nil. There are many: they
// are spared the reflection.
type changeList []*bus.Change

func (l changeList) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(len(l)); err != nil {
		return err
	}
	for _, c := range l {
		if err := c.EncodeMsgpack(e); err != nil {
			return err
		}
	}
	return nil
}

func (l *changeList) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil || n <= 0 {
		return err
	}
	list := make(changeList, n)
	for i := range list {
		list[i] = new(bus.Change)
		if err := list[i].DecodeMsgpack(d); err != nil {
			return err
		}
	}
	*l = list
	return nil
}
