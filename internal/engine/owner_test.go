package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// TestOwnerEndsWithWhatItOwnsNow is K08, K09, K18 and K19 at the engine.
func TestOwnerEndsWithWhatItOwnsNow(t *testing.T) {
	t.Parallel()
	const forLong = time.Hour
	for name, run := range map[string]func(t *testing.T, b *bed){
		"K08": func(_ *testing.T, b *bed) {
			b.register("c1", forLong)
			b.register("c2", forLong)
			b.steps(own("a", "c1"), own("b", "c1"), own("c", "c1"))
			b.steps(own("b", "c2"))
			b.steps(free("c"))
			b.endBy("c1")
			b.want("a!owner-gone b:c c:-")
		},
		"K09": func(_ *testing.T, b *bed) {
			b.register("c1", forLong)
			b.steps(own("a", "c1"), own("b", "c1"), own("c", "c1"))
			b.steps(del("a"), del("b"), del("c"))
			b.steps(free("a"), free("b"), free("c"))
			b.endBy("c1")
			b.want("a:- b:- c:-")
		},
		"K18": func(_ *testing.T, b *bed) {
			b.register("l1", 2*time.Second)
			b.register("l2", 9*time.Second)
			b.steps(own("k", "l1"))
			b.steps(own("k", "l2"))
			pass(5 * time.Second)
			b.want("k:l")
			pass(6 * time.Second)
			b.want("k!lease-expired")
		},
		"K19": func(_ *testing.T, b *bed) {
			b.register("l1", 2*time.Second)
			b.steps(own("kept", "l1"), own("freed", "l1"))
			b.steps(put1("kept"), free("freed"))
			pass(5 * time.Second)
			b.want("kept!lease-expired freed:-")
		},
	} {
		t.Run(name, func(t *testing.T) { inFakeTime(t, run) })
	}
}

// TestRegisterAgain: an id that is registered again has a new token and none
// of the keys; what was written under the old token stays refused.
func TestRegisterAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *bed) {
		first := b.register("o", time.Minute)
		b.steps(own("a", "o"))
		b.endBy("o")
		second := b.register("o", time.Minute)
		if second <= first {
			t.Errorf("token %d after %d", second, first)
		}
		b.want("a!owner-gone")
		if code := b.try(step{Kind: "own", Key: "a", Owner: "o", Token: first}); code != bus.CodeNoOwner {
			t.Errorf("want no owner, got %q", code)
		}
		b.steps(step{Kind: "own", Key: "a", Owner: "o", Token: second})
		if o := b.owner("o"); o.Keys != 1 || o.Token != second {
			t.Errorf("want one key of token %d, got %+v", second, o)
		}
	})
}

// TestUntilEnded: an owner without a lease lives until it is ended, also
// through a restart, and may be renewed to no effect.
func TestUntilEnded(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *bed) {
		token := b.register("o", 0)
		b.steps(own("a", "o"))
		pass(time.Hour)
		b.restart()
		pass(time.Hour)
		if res := b.ask("owner.renew", engine.RenewOwner{ID: "o", Token: token}); res.Error != nil {
			t.Error(res.Error)
		}
		b.want("a:o")
		b.endBy("o")
		b.want("a!owner-gone")
	})
}

// TestOwnedKeysAfterRestart: after a restart a lease has its full TTL again,
// and still owns its keys.
func TestOwnedKeysAfterRestart(t *testing.T) {
	inFakeTime(t, func(_ *testing.T, b *bed) {
		b.register("o", 5*time.Second)
		b.steps(own("a", "o"), ttl("t", 5*time.Second))
		pass(4 * time.Second)
		b.restart()
		pass(4 * time.Second)
		b.want("a:o t:_ttl")
		pass(2 * time.Second)
		b.want("a!lease-expired t!lease-expired")
	})
}

// TestReservedOwners: nobody registers what is the engine's or a job's.
func TestReservedOwners(t *testing.T) {
	t.Parallel()
	b := newBed(t, owners)
	for id, want := range map[string]bus.Code{
		"": bus.CodeUsage, "\xff": bus.CodeUsage, strings.Repeat("x", engine.MaxOwnerID+1): bus.CodeUsage,
		"_ttl.1.1": bus.CodeUsage, "_": bus.CodeUsage, "job_7": bus.CodeUsage, "job_007": bus.CodeUsage,
		"job_": "", "job_7a": "", "myjob_7": "", "a_1": "",
	} {
		res := b.ask("owner.register", engine.RegisterOwner{ID: id, TTL: 5000})
		if (res.Error == nil) != (want == "") || res.Error != nil && res.Error.Code != want {
			t.Errorf("%.20q: want %q, got %v", id, want, res.Error)
		}
	}
	for in, want := range map[*engine.RegisterOwner]bus.Code{
		{ID: "t", TTL: 999}:          bus.CodeUsage,
		{ID: "t", TTL: -1}:           bus.CodeUsage,
		{ID: "t", TTL: 86_400_001}:   bus.CodeUsage,
		{ID: "t", Info: tooMuch()}:   bus.CodeTooLarge,
		{ID: "a_1", TTL: 86_400_000}: bus.CodeExists,
	} {
		if res := b.ask("owner.register", in); res.Error == nil || res.Error.Code != want {
			t.Errorf("%.40v: want %q, got %v", in, want, res.Error)
		}
	}
}

func tooMuch() string { return strings.Repeat("x", engine.MaxOwnerInfo+1) }

// TestOldRegistration: registrations of older logs have three fields.
func TestOldRegistration(t *testing.T) {
	t.Parallel()
	old, err := bus.Marshal([]any{5000, "host a", true})
	if err != nil {
		t.Fatal(err)
	}
	var r engine.Registration
	if err := bus.Unmarshal(old, &r); err != nil {
		t.Fatal(err)
	}
	if want := (engine.Registration{TTL: 5000, Info: "host a", Ending: true}); r != want {
		t.Errorf("want %+v got %+v", want, r)
	}
}

// TestOwnersAreListed: a list has every registered owner once, by id, however
// many pages it takes, and no lease of a key.
func TestOwnersAreListed(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *bed) {
		var want []string
		for _, prefix := range []string{"A", "z"} {
			for i := range 700 {
				want = append(want, fmt.Sprintf("%s%03d", prefix, i))
				b.register(want[len(want)-1], 10*time.Second)
			}
		}
		b.steps(own("k1", "z007"), own("k2", "z007"))
		for i := range 20 {
			b.steps(ttl(fmt.Sprint("t", i), time.Hour))
		}
		pass(4 * time.Second)
		list := b.list()
		if len(list) != len(want) {
			t.Fatalf("want %d owners, got %d", len(want), len(list))
		}
		for i, o := range list {
			if o.ID != want[i] || o.TTL != 10_000 || o.Left != 6_000 || o.Ending || o.Token == 0 || o.Keys > 0 != (o.ID == "z007") {
				t.Errorf("%d: %+v", i, o)
			}
		}
		if o := b.owner("z007"); o != list[707] || o.Keys != 2 {
			t.Errorf("want %+v, got %+v", list[707], o)
		}
		if n := len(b.e.Owners()); n != len(want) {
			t.Errorf("want %d owners, got %d", len(want), n)
		}
		b.steps(step{Kind: "live", Key: "x"})
		b.steps(own("k3", "v_x"))
		if o := b.owner("v_x"); o.Token == 0 || o.Keys != 1 || o.TTL != 0 {
			t.Errorf("an owner that is no registration: %+v", o)
		}
		if o := b.owner("nobody"); o.ID != "" {
			t.Errorf("want nobody, got %+v", o)
		}
	})
}

// list asks for all pages.
func (b *bed) list() (out []engine.OwnerInfo) {
	b.t.Helper()
	for after := ""; ; after = out[len(out)-1].ID {
		res := b.ask("owner.list", engine.ListOwners{After: after})
		var a engine.OwnersAnswer
		if res.Error != nil {
			b.t.Fatal(res.Error)
		}
		if err := bus.Unmarshal(res.Body, &a); err != nil {
			b.t.Fatal(err)
		}
		if out = append(out, a.Owners...); !a.More {
			return out
		}
	}
}
