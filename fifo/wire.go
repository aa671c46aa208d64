package fifo

import (
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// The verbs of pipes.
const (
	verbCreate = "fifo.create" // createRequest, Info
	verbRemove = "fifo.remove" // pipeRequest
	verbClose  = "fifo.close"  // pipeRequest
	verbInfo   = "fifo.info"   // pipeRequest, Info; a read
	verbList   = "fifo.list"   // listRequest, listAnswer; a read
	verbWriter = "fifo.writer" // writerRequest
	verbPut    = "fifo.put"    // putRequest
	verbGet    = "fifo.get"    // getRequest, getAnswer
	verbAck    = "fifo.ack"    // ackRequest
	verbExtend = "fifo.extend" // ackRequest, getAnswer without items
	verbGiveUp = "fifo.giveup" // giveUpRequest
)

// Requests and answers are msgpack arrays of the fields in their order. Fields
// are only ever added at the end; a reader skips those it does not know.

// createRequest asks for a pipe.
type createRequest struct {
	Name               string
	MaxItems, MaxBytes int64
	AckWait            int64 // milliseconds; -1: none
	MaxDeliver         int64
}

// pipeRequest is about one pipe. ID is the revision that made it; 0: whichever
// has the name.
type pipeRequest struct {
	Name string
	ID   uint64
}

// listRequest asks for the pipes whose names come after After.
type listRequest struct{ After string }

// listAnswer is some of them, in the order of their names.
type listAnswer struct {
	Pipes []*Info
	More  bool
}

// writerRequest registers an owner as a writer.
type writerRequest struct {
	pipeRequest
	Owner string
	Token uint64
}

// putRequest appends items.
type putRequest struct {
	pipeRequest
	Items [][]byte
	Owner string // a writer; "": anybody
	Token uint64
	Call  uint64 // names the request to giveUpRequest
}

// getRequest claims items.
type getRequest struct {
	pipeRequest
	Owner string
	Token uint64
	Lane  lane
	Most  int
	Until bool   // writers close: then there is an end
	Call  uint64 // as in putRequest
}

// getAnswer is a claim. The items are in the answer that is sent, not in the
// one that is kept.
type getAnswer struct {
	Pipe  uint64
	Lane  lane
	Claim uint64
	Items []wireItem
}

// wireItem is one item that is handed out.
type wireItem struct {
	At         uint64 // its place in its lane
	Seq        uint64
	Deliveries int
	Time       int64 // of the put, Unix nanoseconds
	Data       []byte
}

// ackRequest says what becomes of items of a claim.
type ackRequest struct {
	pipeRequest
	Owner string
	Token uint64
	Lane  lane
	Claim uint64
	At    []uint64 // in ascending order; none: all that is left of the claim
	How   verdict
}

// verdict is what becomes of an item. The numbers travel.
type verdict uint8

const (
	ack  verdict = 1 // it is done
	nak  verdict = 2 // it goes back to the front
	skip verdict = 3 // likewise, as if it had not been handed out
)

// giveUpRequest ends the wait of a put or a get.
type giveUpRequest struct {
	pipeRequest
	Call uint64
	Get  bool
	Lane lane
}

// lane is one of the two lines of items in a pipe. The numbers travel.
type lane uint8

const (
	mainLane lane = 0
	deadLane lane = 1
	lanes         = 2
)

// EncodeMsgpack and DecodeMsgpack of the wire types.

func (r *createRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.MaxItems, r.MaxBytes, r.AckWait, r.MaxDeliver)
}

func (r *createRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 5, &r.Name, &r.MaxItems, &r.MaxBytes, &r.AckWait, &r.MaxDeliver)
}

func (r *pipeRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID)
}

func (r *pipeRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &r.Name, &r.ID)
}

func (r *listRequest) EncodeMsgpack(e *msgpack.Encoder) error { return bus.EncodeFields(e, r.After) }
func (r *listRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, &r.After)
}

func (a *listAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, a.Pipes, a.More)
}

func (a *listAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 2, &a.Pipes, &a.More)
}

func (r *writerRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID, r.Owner, r.Token)
}

func (r *writerRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 4, &r.Name, &r.ID, &r.Owner, &r.Token)
}

func (r *putRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID, r.Items, r.Owner, r.Token, r.Call)
}

func (r *putRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &r.Name, &r.ID, &r.Items, &r.Owner, &r.Token, &r.Call)
}

func (r *getRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID, r.Owner, r.Token, uint8(r.Lane), r.Most, r.Until, r.Call)
}

func (r *getRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 6, &r.Name, &r.ID, &r.Owner, &r.Token, (*uint8)(&r.Lane), &r.Most, &r.Until, &r.Call)
}

// EncodeMsgpack leaves out the items where there are none: that is the answer
// that is kept.
func (a *getAnswer) EncodeMsgpack(e *msgpack.Encoder) error {
	if len(a.Items) == 0 {
		return bus.EncodeFields(e, a.Pipe, uint8(a.Lane), a.Claim)
	}
	return bus.EncodeFields(e, a.Pipe, uint8(a.Lane), a.Claim, a.Items)
}

func (a *getAnswer) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 3, &a.Pipe, (*uint8)(&a.Lane), &a.Claim, &a.Items)
}

func (i *wireItem) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, i.At, i.Seq, i.Deliveries, i.Time, i.Data)
}

func (i *wireItem) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 5, &i.At, &i.Seq, &i.Deliveries, &i.Time, &i.Data)
}

func (r *ackRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID, r.Owner, r.Token, uint8(r.Lane), r.Claim, r.At, uint8(r.How))
}

func (r *ackRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 8, &r.Name, &r.ID, &r.Owner, &r.Token, (*uint8)(&r.Lane), &r.Claim, &r.At, (*uint8)(&r.How))
}

func (r *giveUpRequest) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, r.Name, r.ID, r.Call, r.Get, uint8(r.Lane))
}

func (r *giveUpRequest) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 5, &r.Name, &r.ID, &r.Call, &r.Get, (*uint8)(&r.Lane))
}

// EncodeMsgpack writes the info as an array in the order of the fields.
func (i *Info) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, i.Name, i.ID, i.Created.UnixNano(), i.Config.MaxItems, i.Config.MaxBytes, int64(i.Config.AckWait), i.Config.MaxDeliver,
		i.Ready, i.InFlight, i.Dead, i.Bytes, i.Writers, i.Closed, i.Put, i.Acknowledged, i.Returned, i.Buried)
}

// DecodeMsgpack reads what EncodeMsgpack wrote.
func (i *Info) DecodeMsgpack(d *msgpack.Decoder) error {
	var created int64
	err := bus.DecodeFields(d, 12, &i.Name, &i.ID, &created, &i.Config.MaxItems, &i.Config.MaxBytes, (*int64)(&i.Config.AckWait), &i.Config.MaxDeliver,
		&i.Ready, &i.InFlight, &i.Dead, &i.Bytes, &i.Writers, &i.Closed, &i.Put, &i.Acknowledged, &i.Returned, &i.Buried)
	i.Created = time.Unix(0, created)
	return err
}
