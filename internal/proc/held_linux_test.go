package proc

import (
	"os"
	"strconv"
	"testing"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: []string{"sleep", "1000"}, Tasks: 3, Held: true})
	r.awaitKind(t, Held, 3)
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	pids := g.Pids()
	for _, ev := range r.of(Held) {
		if exe, _ := os.Readlink("/proc/" + strconv.Itoa(ev.Pid) + "/exe"); exe != self || ev.Pid != pids[ev.Task] {
			t.Errorf("want %s waiting as %d, got %s in %+v", self, pids[ev.Task], exe, ev)
		}
	}
	if len(r.of(Started)) != 0 {
		t.Errorf("want nothing started, got %+v", r.events)
	}
	for range 2 {
		if err = g.Release(); err != nil {
			t.Fatal(err)
		}
	}
	r.awaitKind(t, Started, 3)
	for _, ev := range r.of(Started) {
		comm, _ := os.ReadFile("/proc/" + strconv.Itoa(ev.Pid) + "/comm")
		if string(comm) != "sleep\n" || ev.Pid != pids[ev.Task] {
			t.Errorf("want sleep as %d, got %s in %+v", pids[ev.Task], comm, ev)
		}
	}
}

// The file of a held command goes away while it is held.
func TestHeldExecFails(t *testing.T) {
	t.Parallel()
	tool := t.TempDir() + "/tool"
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	g, r := start(t, Spec{Command: []string{tool}, Tasks: 2, Held: true})
	r.awaitKind(t, Held, 2)
	if err := os.Remove(tool); err != nil {
		t.Fatal(err)
	}
	if err := g.Release(); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, g)
	failed := r.of(ExecFailed)
	if len(failed) != 2 || failed[0].Code != 127 || failed[0].Err != "no such file or directory: "+tool || len(r.of(Exited)) != 0 {
		t.Errorf("want 2 failures of 127, got %+v", r.events)
	}
}

func TestHeldStopped(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: []string{"true"}, Tasks: 2, Held: true})
	r.awaitKind(t, Held, 2)
	g.Stop(waitTime)
	awaitDone(t, g)
	if exits := r.of(Exited); len(exits) != 2 || exits[0].Signal != 15 || len(r.of(Started)) != 0 {
		t.Errorf("want 2 ended by signal 15, got %+v", r.events)
	}
}
