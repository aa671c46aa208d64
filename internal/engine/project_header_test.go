package engine

import (
	"maps"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// A projected message has the headers of its change, whichever were built
// before it: those of Change.Header, and what makes it ours.
func TestProjectedHeaders(t *testing.T) {
	t.Parallel()
	put := bus.Change{Bucket: "b", Key: "k", Op: bus.OpPut, Value: []byte("v"), Part: 1, Parts: 1, Revision: 7, Version: 1, Created: 7}
	full := put
	full.Part, full.Parts, full.Previous, full.Clock, full.Time = 2, 30, 6, 9, 1e18
	full.Owner, full.Token, full.Version = "an owner", math.MaxUint64, math.MaxUint64
	gone := bus.Change{Bucket: "b", Key: "k", Op: bus.OpDelete, Part: 1, Parts: 1, Revision: 8, Previous: 7, Reason: bus.ReasonOwnerGone}
	var k kvMessage
	k.init(&ProjectorConfig{Epoch: 3, Incarnation: 4})
	for i, c := range []*bus.Change{&put, &full, &gone, &put, &gone, &full, &put} {
		repair, extra := position{}, []string{bus.HeaderEpoch, "3", bus.HeaderIncarnation, "4", nats.ExpectedLastSeqHdr, strconv.Itoa(i)}
		if i%3 == 2 {
			repair, extra = position{5, 1}, append(extra, headerRepair, "5/1")
		}
		want := &nats.Msg{Subject: "s", Reply: "r", Header: c.Header(extra...), Data: c.Value}
		got := k.fill("s", "r", c, uint64(i), repair)
		if diff := cmp.Diff(want.Header, got.Header); diff != "" || want.Subject != got.Subject || want.Reply != got.Reply || string(want.Data) != string(got.Data) {
			t.Errorf("message %d: want - got +\n%s", i, diff)
		}
	}
	want := maps.Clone(k.same)
	maps.Copy(want, nats.Header{headerKVOperation: {kvDelete}, nats.ExpectedLastSeqHdr: {"0"}, headerRepair: {"9/2"}})
	if diff := cmp.Diff(want, k.fill("s", "", nil, 0, position{9, 2}).Header); diff != "" {
		t.Errorf("a delete of which nothing is known: want - got +\n%s", diff)
	}
}
