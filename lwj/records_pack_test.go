package lwj

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lwjbus/lwjbus/bus"
)

// The records without their methods: the library goes by the tags.
type (
	taggedState   StateRecord
	taggedControl Control
)

func stateRecords() []*StateRecord {
	one, minus := 1, -1
	return []*StateRecord{
		{}, {State: Submitted}, {State: "made-up", From: Running, Epoch: math.MaxUint64, Attempt: math.MaxUint32},
		{State: Running, From: Starting, Epoch: 1, Attempt: 1, Detail: &Detail{Host: "h", Pids: []int{1, 70_000}}},
		{State: Complete, Epoch: 128, Detail: &Detail{ExitCode: new(int), Exits: []int{0, 0}}},
		{State: Failed, Detail: &Detail{ExitCode: &one, Reason: ReasonExit, Exits: make([]int, 20), Error: strings.Repeat("e", 300)}},
		{State: Failed, Detail: &Detail{ExitCode: &minus, Signal: 9}},
		{State: Failed, Detail: &Detail{}},
	}
}

func controls() []*Control {
	return []*Control{
		{}, {Attempt: 1, External: true, Epoch: 1}, {Owner: strings.Repeat("o", 40), Token: 1 << 40, Epoch: 200, Attempt: 3, Own: true},
		{Owner: "o", Cancel: &Cancel{Reason: ReasonUser, Grace: 5}, Signals: []Signal{{Seq: 1, Number: 15, User: "u"}}},
		{Holds: []Hold{{ID: "h", State: Running, Deadline: 5}}, Waiting: &Waiting{State: Running}},
		{Signals: []Signal{}, Holds: []Hold{}},
	}
}

// sameBytes wants a record to be stored as its tags say, and returns that.
func sameBytes(t testing.TB, record, tagged any) []byte {
	t.Helper()
	want, err := bus.Marshal(tagged)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bus.Marshal(record)
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%+v: want %x, got %x (%v)", tagged, want, got, err)
	}
	return want
}

func TestRecordsAsTagged(t *testing.T) {
	t.Parallel()
	for i, r := range stateRecords() {
		b := sameBytes(t, r, (*taggedState)(r))
		sameBytes(t, *r, taggedState(*r))
		if got, want := sameState(t, b), i != 5 && i != 6; got != want {
			t.Errorf("%+v: want it unpacked: %v, got %v", r, want, got)
		}
	}
	for i, c := range controls() {
		b := sameBytes(t, c, (*taggedControl)(c))
		sameBytes(t, *c, taggedControl(*c))
		if got, want := sameControl(t, b), i != 3 && i != 4; got != want {
			t.Errorf("%+v: want it unpacked: %v, got %v", c, want, got)
		}
	}
}

// sameState tells whether b is unpacked, and wants what Unmarshal makes of it.
func sameState(t testing.TB, b []byte) bool {
	t.Helper()
	got, want := new(StateRecord), new(taggedState)
	ok, err := got.unpack(b), bus.Unmarshal(b, want)
	if ok && err != nil {
		t.Errorf("%x: want it refused, as Unmarshal does: %v", b, err)
	}
	if diff := cmp.Diff((*StateRecord)(want), got); ok && diff != "" {
		t.Errorf("%x: want - got +\n%s", b, diff)
	}
	if err == nil {
		sameBytes(t, (*StateRecord)(want), want)
	}
	return ok
}

// sameControl is sameState for control records.
func sameControl(t testing.TB, b []byte) bool {
	t.Helper()
	got, want := new(Control), new(taggedControl)
	ok, err := got.unpack(b), bus.Unmarshal(b, want)
	if ok && err != nil {
		t.Errorf("%x: want it refused, as Unmarshal does: %v", b, err)
	}
	if diff := cmp.Diff((*Control)(want), got, cmp.AllowUnexported(Signal{})); ok && diff != "" {
		t.Errorf("%x: want - got +\n%s", b, diff)
	}
	if err == nil {
		sameBytes(t, (*Control)(want), want)
	}
	return ok
}

// decode reads what is not unpacked, and names the key of what cannot be read.
func TestDecodeLeavesTheRestToUnmarshal(t *testing.T) {
	t.Parallel()
	newer := []byte{0x82, 0xa1, 's', 0xa7, 'r', 'u', 'n', 'n', 'i', 'n', 'g', 0xa1, 'z', 0x91, 0x01}
	r, err := decode[StateRecord](&bus.Change{Key: "1.state", Value: newer})
	if err != nil || r.State != Running {
		t.Errorf("a field of a newer version: want running, got %+v (%v)", r, err)
	}
	if _, err := decode[StateRecord](&bus.Change{Key: "1.state", Value: newer[:5]}); bus.CodeOf(err) != bus.CodeStore || !strings.Contains(err.Error(), "1.state") {
		t.Errorf("cut short: want the key named, got %v", err)
	}
}

// FuzzRecords holds what is read and written without reflection to the tags.
func FuzzRecords(f *testing.F) {
	for _, r := range stateRecords() {
		b := sameBytes(f, r, (*taggedState)(r))
		f.Add(b)
		f.Add(append(slices.Clone(b), b...))
	}
	for _, c := range controls() {
		f.Add(sameBytes(f, c, (*taggedControl)(c)))
	}
	f.Add([]byte{0x82, 0xa1, 'd', 0x81, 0xa1, 'h', 0xa1, 'x', 0xa1, 'd', 0x80})
	f.Fuzz(func(t *testing.T, b []byte) { sameState(t, b); sameControl(t, b) })
}
