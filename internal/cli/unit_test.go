package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj"
)

func otherEvents() []*lwj.Event {
	status := 0
	return []*lwj.Event{
		{Job: 7, Kind: lwj.KindEvent, Name: "checkpoint", Data: map[string]string{"step": "3"}, Revision: 44},
		{Job: 7, Kind: lwj.KindEvent, Name: lwj.EventTruncated},
		{Job: 7, Kind: lwj.KindSync, State: lwj.Running, Hold: "h", Phase: "reached", Detail: &lwj.Detail{Pids: []int{1}}},
		{Job: 7, Kind: lwj.KindAction, State: lwj.Complete, Action: "exec:true", Phase: "started"},
		{Job: 7, Kind: lwj.KindAction, State: lwj.Complete, Action: "exec:true", Phase: "finished", Status: &status},
		{Kind: lwj.KindCaughtUp, CaughtUp: true, Revision: 44},
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	signal := func(sig syscall.Signal) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errSignal{sig})
		return ctx
	}
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want int
		line string
	}{
		{"ok", t.Context(), nil, 0, ""},
		{"a job's code", t.Context(), errQuiet(7), 7, ""},
		{"failed", t.Context(), errors.New("boom"), 1, "lwj: boom\n"},
		{"never", t.Context(), lwj.ErrNever, 1, "lwj: it can no longer come\n"},
		{"full", t.Context(), bus.ErrFull.WithHint("free some"), 1, "lwj: full (free some)\n"},
		{"usage", t.Context(), usagef("bad"), 2, "lwj: bad (lwj help shows what can be typed)\n"},
		{"usage of the library", t.Context(), bus.NewError(bus.CodeUsage, "bad"), 2, "lwj: bad\n"},
		{"too large", t.Context(), bus.NewError(bus.CodeTooLarge, "big"), 2, "lwj: big\n"},
		{"not found", t.Context(), lwj.ErrNoJob, 3, "lwj: no such job\n"},
		{"wrapped", t.Context(), fmt.Errorf("line 3: %w", lwj.ErrNoJob), 3, "lwj: line 3: no such job\n"},
		{"exists", t.Context(), bus.NewError(bus.CodeExists, "it is"), 4, "lwj: it is\n"},
		{"revision", t.Context(), bus.NewError(bus.CodeRevision, "it is"), 4, "lwj: it is\n"},
		{"too late", t.Context(), lwj.ErrTooLate, 4, "lwj: too late\n"},
		{"unreachable", t.Context(), bus.ErrUnreachable, 5, "lwj: no host answers\n"},
		{"unreachable in time", t.Context(), fmt.Errorf("%w: %w", bus.ErrUnreachable, context.DeadlineExceeded), 5, "lwj: no host answers: context deadline exceeded\n"},
		{"store", t.Context(), bus.NewError(bus.CodeStore, "too new"), 5, "lwj: too new\n"},
		{"denied", t.Context(), bus.NewError(bus.CodeDenied, "no"), 6, "lwj: no\n"},
		{"compacted", t.Context(), bus.ErrCompacted, 7, "lwj: compacted\n"},
		{"unknown outcome", t.Context(), bus.ErrUnknownOutcome, 8, "lwj: nobody can tell whether the request was executed\n"},
		{"timed out", t.Context(), bus.ErrTimeout, 124, "lwj: timed out\n"},
		{"deadline", t.Context(), context.DeadlineExceeded, 124, "lwj: context deadline exceeded\n"},
		{"another process's", t.Context(), errTold{6, bus.NewError(bus.CodeDenied, "no")}, 6, "lwj: no\n"},
		{"two lines", t.Context(), errors.Join(errors.New("a"), errors.New("b")), 1, "lwj: a; b\n"},
		{"closed stdout", t.Context(), fmt.Errorf("write: %w", errClosedOut), 141, ""},
		{"SIGINT", signal(syscall.SIGINT), errSignal{syscall.SIGINT}, 130, ""},
		{"SIGTERM", signal(syscall.SIGTERM), context.Canceled, 143, ""},
		{"SIGHUP, in order", signal(syscall.SIGHUP), nil, 129, ""},
		{"SIGINT, but failed before", signal(syscall.SIGINT), lwj.ErrNoJob, 3, "lwj: no such job\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			a := &app{Streams: &Streams{Err: &stderr}, globals: globals{output: outputTable}}
			if got := a.finish(tt.ctx, tt.err); got != tt.want {
				t.Errorf("want exit code %d, got %d", tt.want, got)
			}
			if diff := cmp.Diff(tt.line, stderr.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name   string
		since  string
		follow bool
		args   []string
		want   lwj.EventOptions
		bad    bool
	}{
		{name: "all", want: lwj.EventOptions{}},
		{name: "follow", follow: true, want: lwj.EventOptions{Now: true}},
		{name: "follow one", follow: true, args: []string{"7"}, want: lwj.EventOptions{IDs: []uint64{7}}},
		{name: "start", since: "start", follow: true, want: lwj.EventOptions{}},
		{name: "revision", since: "41", want: lwj.EventOptions{From: 41}},
		{name: "duration", since: "10m", want: lwj.EventOptions{Since: now.Add(-10 * time.Minute)}},
		{name: "time", since: "2026-01-02T03:04:05.5Z", want: lwj.EventOptions{Since: now.Add(500 * time.Millisecond)}},
		{name: "nothing of these", since: "yesterday", bad: true},
		{name: "the future", since: "-10m", bad: true},
		{name: "no job", args: []string{"seven"}, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := &eventsOptions{since: tt.since, follow: tt.follow}
			err := o.check(tt.args, now)
			if (err != nil) != tt.bad {
				t.Fatalf("want an error: %v, got %v", tt.bad, err)
			}
			if tt.want.IDs == nil {
				tt.want.IDs, o.events.IDs = nil, nonEmpty(o.events.IDs)
			}
			o.events.States = nil
			if diff := cmp.Diff(tt.want, o.events); diff != "" && !tt.bad {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func nonEmpty(ids []uint64) []uint64 {
	if len(ids) == 0 {
		return nil
	}
	return ids
}

func TestShowLabels(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	s := newShow(&out, &err, true)
	s.output(0, lwj.Stdout, []byte("one\ntw"))
	s.output(1, lwj.Stdout, []byte("uno\n"))
	s.output(1, lwj.Stderr, []byte("oh"))
	s.output(0, lwj.Stdout, []byte("o\nthree"))
	s.output(2, lwj.Stdout, bytes.Repeat([]byte("x"), maxHeld))
	if e := s.close(); e != nil {
		t.Fatal(e)
	}
	long := string(bytes.Repeat([]byte("x"), maxHeld))
	if diff := cmp.Diff("[0] one\n[1] uno\n[0] two\n[2] "+long+"\n[0] three\n", out.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("[1] oh\n", err.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

func TestShowBroken(t *testing.T) {
	t.Parallel()
	s := newShow(brokenWriter{}, brokenWriter{}, false)
	s.output(0, lwj.Stdout, []byte("a"))
	s.output(0, lwj.Stdout, []byte("b"))
	select {
	case <-s.broken:
	default:
		t.Error("want broken to be closed, got it open")
	}
	if got := s.close(); !errors.Is(got, errClosedOut) {
		t.Errorf("want %v, got %v", errClosedOut, got)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errClosedOut }

func TestOutputOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		env  string
		want string
	}{
		{nil, "", "table"},
		{nil, "json", "json"},
		{[]string{"jobs", "-o", "jsonl"}, "json", "jsonl"},
		{[]string{"jobs", "-o=json"}, "", "json"},
		{[]string{"jobs", "-ojson"}, "", "json"},
		{[]string{"--output=json", "bogus"}, "", "json"},
		{[]string{"run", "--", "cc", "-o", "json"}, "", "table"},
		{[]string{"jobs", "-o"}, "", "table"},
	}
	for _, tt := range tests {
		if got := outputOf(tt.args, func(string) (string, bool) { return tt.env, tt.env != "" }); got != tt.want {
			t.Errorf("%q with LWJ_OUTPUT=%s: want %q, got %q", tt.args, tt.env, tt.want, got)
		}
	}
}

func TestParseSignal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "sigusr1": syscall.SIGUSR1, "SIGKILL": syscall.SIGKILL, "9": syscall.SIGKILL,
		"0": 0, "999": 0, "-1": 0, "BOGUS": 0, "": 0,
	} {
		got, err := parseSignal(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: want %d, got %d, %v", text, want, got, err)
		}
	}
}

func TestLoopbackPort(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]int{
		"127.0.0.1:4222": 4222, "localhost:1": 1, "127.0.0.1:0": 0,
		"0.0.0.0:4222": -1, ":4222": -1, "[::1]:4222": -1, "192.0.2.1:4222": -1, "example.com:4222": -1, "127.0.0.1": -1, "127.0.0.1:http": -1, "127.0.0.1:70000": -1,
	} {
		got, err := loopbackPort(addr)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: want %d, got %d, %v", addr, want, got, err)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a b": "a b", "漢": "漢", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "\xff": `"\xff"`, "": ""} {
		if got := printable(text); got != want {
			t.Errorf("%q: want %s, got %s", text, want, got)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`no "a"`: `no "a"`, "漢 \uFFFD": "漢 \uFFFD", `no "a": ` + "\x1b[2J": `no "a": \x1b[2J`, "a\nb\xff": `a\nb\xff`, "\u202e": `\u202e`, "": "",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: want %s, got %s", text, want, got)
		}
	}
}

func TestJobCode(t *testing.T) {
	t.Parallel()
	code := func(n int) *int { return &n }
	tests := []struct {
		record lwj.StateRecord
		want   int
	}{
		{lwj.StateRecord{State: lwj.Complete, Detail: &lwj.Detail{ExitCode: code(0)}}, 0},
		{lwj.StateRecord{State: lwj.Failed, Detail: &lwj.Detail{Reason: lwj.ReasonExit, ExitCode: code(7)}}, 7},
		{lwj.StateRecord{State: lwj.Failed, Detail: &lwj.Detail{Reason: lwj.ReasonSignal, ExitCode: code(137)}}, 137},
		{lwj.StateRecord{State: lwj.Failed, Detail: &lwj.Detail{Reason: lwj.ReasonTimeout, ExitCode: code(143)}}, 124},
		{lwj.StateRecord{State: lwj.Failed, Detail: &lwj.Detail{Reason: lwj.ReasonLost}}, 1},
		{lwj.StateRecord{State: lwj.Failed}, 1},
		{lwj.StateRecord{State: lwj.Cancelled, Detail: &lwj.Detail{Reason: lwj.ReasonUser, ExitCode: code(143)}}, 125},
	}
	for _, tt := range tests {
		if got := jobCode(&tt.record); got != tt.want {
			t.Errorf("%v: want %d, got %d", tt.record, tt.want, got)
		}
	}
}
