package host_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/internal/proc"
	"github.com/lwjbus/lwjbus/lwj"
)

// elsewhere is the text that a process with the identity of this one but for
// the pid would have signed.
func elsewhere(t *testing.T, pid string) string {
	t.Helper()
	parts := strings.Split(proc.Sign(""), "/")
	if len(parts) != 4 {
		t.Fatalf("want an identity, got %q", parts)
	}
	parts[2] = pid
	return "host h" + strings.Join(parts, "/")
}

// TestHostBuriesTheKilled: a host that starts ends the leases of processes
// that are gone, and settles their jobs; it leaves the others.
func TestHostBuriesTheKilled(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	bed := natstest.New(t)
	conn := bed.Conn()
	client := lwj.NewClient(conn)
	infos := map[string]string{"here": proc.Sign("host h"), "unsigned": "host h, pid 1", "killed": elsewhere(t, "2147483647")}
	ids := map[string]uint64{}
	for name, info := range infos {
		var answer engine.OwnerAnswer
		in := engine.RegisterOwner{ID: name, TTL: time.Hour.Milliseconds(), Info: info}
		if err := conn.Call(ctx, "owner.register", in, &answer); err != nil {
			t.Fatal(err)
		}
		id, err := client.Submit(ctx, lwj.NewSpec("true"), lwj.Start(name, answer.Token))
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	bed.Restart()
	for name, id := range ids {
		info, err := client.Show(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		want := lwj.Reserved
		if name == "killed" {
			want = lwj.Failed
		}
		if info.State.State != want {
			t.Errorf("the job of %s: want %s, got %s", name, want, info.State.State)
		}
	}
	s := bed.Host().Engine().Snapshot()
	s.Range(engine.OwnerBucket, "", nil, func(c *bus.Change) bool {
		if c.Key == "killed" {
			t.Error("want the killed owner gone, got it registered")
		}
		delete(infos, c.Key)
		return true
	})
	if len(infos) != 1 {
		t.Errorf("want only the killed one gone, got %v", infos)
	}
}

// TestLauncherIsSigned: what a launcher registers says which process it is,
// where its host is one of this machine.
func TestLauncherIsSigned(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	bed := natstest.New(t)
	l, err := lwj.NewLauncher(ctx, bed.Conn(), lwj.LauncherConfig{Dir: bed.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	c := bed.Host().Engine().Snapshot().Get(engine.OwnerBucket, l.ID())
	var r engine.Registration
	if err := bus.Unmarshal(c.Value, &r); err != nil {
		t.Fatal(err)
	}
	if want := proc.Sign(""); !strings.HasSuffix(r.Info, want) {
		t.Errorf("want %q to end in %q", r.Info, want)
	}
}
