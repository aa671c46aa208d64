package bus

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"
)

func drawChange(t *rapid.T) *Change {
	number := rapid.Uint64()
	c := &Change{Bucket: "kv", Key: rapid.StringN(1, 20, 60).Draw(t, "key"), Op: OpPut, Part: 1, Parts: 1,
		Revision: number.Draw(t, "revision"), Previous: number.Draw(t, "previous"), Created: number.Draw(t, "created"),
		Version: number.Draw(t, "version"), Clock: number.Draw(t, "clock"), Time: rapid.Int64().Draw(t, "time"),
		Owner: rapid.String().Draw(t, "owner"), Token: number.Draw(t, "token")}
	c.Parts = rapid.Uint32Min(1).Draw(t, "parts")
	c.Part = rapid.Uint32Range(1, c.Parts).Draw(t, "part")
	c.Value = append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "value")...)
	if rapid.Bool().Draw(t, "delete") {
		c.Op, c.Value, c.Reason = OpDelete, nil, ReasonCollected
	}
	return c
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	n := Names{"ns"}
	rapid.Check(t, func(t *rapid.T) {
		want := drawChange(t)
		for _, subject := range []string{n.Key("kv", want.Key), n.KVSubject("kv", EscapeKey(want.Key))} {
			got, err := ChangeFromMsg("kv", wired(t, &nats.Msg{Subject: subject, Header: want.Header(), Data: want.Value}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: want - got +\n%s", subject, diff)
			}
		}
	})
}

// wired returns m after a look at its headers: the wire keeps them as they are.
func wired(t *rapid.T, m *nats.Msg) *nats.Msg {
	for name, values := range m.Header {
		for _, v := range values {
			for _, b := range []byte(name + v) {
				if b < ' ' || b == 0x7f {
					t.Fatalf("header %s: want printable, got %q", name, v)
				}
			}
			if v != "" && (v[0] == ' ' || v[len(v)-1] == ' ') {
				t.Fatalf("header %s: want no blank at the ends, got %q", name, v)
			}
		}
	}
	return m
}

func TestHeaderLeavesOutZero(t *testing.T) {
	t.Parallel()
	want := nats.Header{HeaderRevision: {"7"}, HeaderPrevious: {"0"}, HeaderVersion: {"1"}, HeaderEpoch: {"3"}}
	got := (&Change{Op: OpPut, Revision: 7, Version: 1, Part: 1, Parts: 1}).Header(HeaderEpoch, "3", HeaderIncarnation, "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestChangeFromMsgFindsKey(t *testing.T) {
	t.Parallel()
	n := Names{"ns"}
	for _, c := range []struct {
		subject, header, want string
	}{
		{n.State(12), "", "12.state"},
		{n.Ctl("a.b", 12), "", "12.ctl"},
		{n.Event(12), "12.event.3", "12.event.3"},
		{n.Key("kv", "a b.c"), "", "a b.c"},
		{n.KVSubject("kv", "a=20b"), "", "a b"},
		{n.Event(12), "", ""},
		{n.KVSubject("kv", "_owner.x"), "", ""},
		{"ns.kv.kv", "", ""},
		{"ns.state", "", ""},
		{"ns.ctl.12", "", ""},
		{"x", "", ""},
	} {
		h := (&Change{Op: OpPut, Revision: 1}).Header(HeaderKey, EscapeKey(c.header))
		got, err := ChangeFromMsg("kv", &nats.Msg{Subject: c.subject, Header: h})
		if c.want == "" {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: want ErrMalformed, got %v (%v)", c.subject, got, err)
			}
			continue
		}
		if err != nil || got.Key != c.want {
			t.Errorf("%s: want %q, got %v (%v)", c.subject, c.want, got, err)
		}
	}
}

func TestChangeFromMsgRefuses(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]nats.Header{
		"no header":      nil,
		"no revision":    {HeaderPrevious: {"1"}},
		"not a number":   {HeaderRevision: {"x"}},
		"negative":       {HeaderRevision: {"-1"}},
		"time":           {HeaderRevision: {"1"}, HeaderTime: {"x"}},
		"part":           {HeaderRevision: {"1"}, HeaderPart: {"3/2"}},
		"part of":        {HeaderRevision: {"1"}, HeaderPart: {"3"}},
		"owner's escape": {HeaderRevision: {"1"}, HeaderOwner: {"%2"}},
	} {
		if c, err := ChangeFromMsg("kv", &nats.Msg{Subject: "$KV.kv.a", Header: h}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: want ErrMalformed, got %v (%v)", name, c, err)
		}
	}
}
