package cli

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/fifo"
)

// pipeJSON is schema fifo.v1.
type pipeJSON struct {
	Schema     string  `json:"schema"`
	Name       string  `json:"name"`
	ID         uint64  `json:"id"`
	Created    string  `json:"created"`
	MaxItems   int     `json:"max_items"`
	MaxBytes   int64   `json:"max_bytes"`
	AckWait    *string `json:"ack_wait"` // null: as long as the consumer lives
	MaxDeliver int     `json:"max_deliver"`

	Ready    int   `json:"ready"`
	InFlight int   `json:"in_flight"`
	Dead     int   `json:"dead"`
	Bytes    int64 `json:"bytes"`
	Writers  int   `json:"writers"`
	Closed   bool  `json:"closed"`

	Put          uint64 `json:"put"`
	Acknowledged uint64 `json:"acknowledged"`
	Returned     uint64 `json:"returned"`
	Buried       uint64 `json:"buried"`
}

func newPipeJSON(i *fifo.Info) *pipeJSON {
	c := &i.Config
	return &pipeJSON{
		Schema: "fifo.v1", Name: i.Name, ID: i.ID, Created: stamp(i.Created), MaxItems: c.MaxItems, MaxBytes: c.MaxBytes,
		AckWait: changed(c.AckWait != fifo.NoAckWait, c.AckWait.String()), MaxDeliver: c.MaxDeliver,
		Ready: i.Ready, InFlight: i.InFlight, Dead: i.Dead, Bytes: i.Bytes, Writers: i.Writers, Closed: i.Closed,
		Put: i.Put, Acknowledged: i.Acknowledged, Returned: i.Returned, Buried: i.Buried,
	}
}

func pipeText(i *fifo.Info) string {
	c, wait, deliver := &i.Config, "for ever", ""
	if c.AckWait != fifo.NoAckWait {
		wait = c.AckWait.String()
	}
	if c.MaxDeliver > 0 {
		deliver = itoa(int64(c.MaxDeliver))
	}
	return details("pipe", i.Name, "created", clockTime(i.Created), "max items", itoa(int64(c.MaxItems)), "max bytes", itoa(c.MaxBytes),
		"ack wait", wait, "deliveries", deliver, "ready", itoa(int64(i.Ready)), "in flight", itoa(int64(i.InFlight)),
		"dead", itoa(int64(i.Dead)), "bytes", itoa(i.Bytes), "writers", itoa(int64(i.Writers)), "closed", yes(i.Closed),
		"put", utoa(i.Put), "done", utoa(i.Acknowledged), "returned", utoa(i.Returned), "buried", utoa(i.Buried))
}

// yes is a yes of a table; nothing for no.
func yes(so bool) string {
	if so {
		return "yes"
	}
	return ""
}

// itemJSON is schema fifo.item.v1.
type itemJSON struct {
	Schema     string `json:"schema"`
	Pipe       string `json:"pipe"`
	Item       uint64 `json:"item"`
	Value      string `json:"value"`
	Encoding   string `json:"encoding,omitempty"`
	Deliveries int    `json:"deliveries"`
	Time       string `json:"time"`
	Dead       bool   `json:"dead"`
}

func newItemJSON(pipe string, i *fifo.Item, dead bool) *itemJSON {
	j := &itemJSON{Schema: "fifo.item.v1", Pipe: pipe, Item: i.Seq, Value: string(i.Data), Deliveries: i.Deliveries, Time: stamp(i.Time), Dead: dead}
	if !utf8.Valid(i.Data) {
		j.Value, j.Encoding = base64.StdEncoding.EncodeToString(i.Data), "base64"
	}
	return j
}
