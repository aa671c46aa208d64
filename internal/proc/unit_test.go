package proc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	want := Event{Kind: Exited, Task: MaxTasks - 1, Pid: 1 << 22, Code: 137, Signal: 9, Err: "why"}
	h, payload, err := readFrame(bytes.NewReader(frame(nil, byte(want.Kind), want.Task, encodeStatus(want))), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEvent(h, payload)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, want minus got:\n%s", err, diff)
	}
}

func TestFrameTooLarge(t *testing.T) {
	t.Parallel()
	for kind, limit := range map[byte]uint32{byte(Output): MaxFrame, cmdSpec: MaxSpec} {
		raw := make([]byte, headerSize)
		header{kind: kind, size: limit + 1}.put(raw)
		if _, _, err := readFrame(bytes.NewReader(raw), nil); !errors.Is(err, errProtocol) {
			t.Errorf("kind %d: want %v, got %v", kind, errProtocol, err)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frame(nil, byte(Started), 3, encodeStatus(Event{Pid: 4})))
	f.Add(frame(nil, byte(Output), 3, []byte("data")))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := readFrame(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		ev, err := decodeEvent(h, payload)
		if err == nil && ev.Kind != Output {
			if diff := cmp.Diff(payload[:statusSize], encodeStatus(ev)[:statusSize]); diff != "" {
				t.Errorf("want minus got:\n%s", diff)
			}
		}
		if _, err = decodeSpec(payload); err != nil && !errors.Is(err, errProtocol) {
			t.Errorf("want %v, got %v", errProtocol, err)
		}
	})
}

func TestFrameCutShort(t *testing.T) {
	t.Parallel()
	raw := frame(nil, byte(Output), 0, []byte("data"))
	if _, _, err := readFrame(bytes.NewReader(nil), nil); !errors.Is(err, io.EOF) {
		t.Errorf("want %v, got %v", io.EOF, err)
	}
	for n := 1; n < len(raw); n++ {
		if _, _, err := readFrame(bytes.NewReader(raw[:n]), nil); !errors.Is(err, io.ErrUnexpectedEOF) && n != headerSize {
			t.Errorf("%d bytes: want %v, got %v", n, io.ErrUnexpectedEOF, err)
		}
	}
}

func TestMergeEnv(t *testing.T) {
	t.Parallel()
	got := mergeEnv([]string{"A=1", "B=2", "odd"}, []string{"A=3", "C="}, []string{"C=x=y"})
	if diff := cmp.Diff([]string{"A=3", "B=2", "odd", "C=x=y"}, got); diff != "" {
		t.Errorf("want minus got:\n%s", diff)
	}
}

func TestResolveWithoutPath(t *testing.T) {
	t.Parallel()
	if file, failure := resolve("sh", nil); failure != nil || file == "" {
		t.Errorf("want a file of %s, got %v", defaultPath, failure)
	}
}

func TestStrings(t *testing.T) {
	t.Parallel()
	want := []string{"held", "started", "execfailed", "output", "exited", "done", "kind(7)", "stdout", "stderr", "stream(3)"}
	var got []string
	for k := Held; k <= Done+1; k++ {
		got = append(got, k.String())
	}
	got = append(got, Stdout.String(), Stderr.String(), Stream(3).String())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want minus got:\n%s", diff)
	}
}

// Tasks that cannot be killed end all the same.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := &supervisor{up: newUplink(w), byPID: map[int]*task{}, live: 1}
	s.byPID[1<<30] = &task{id: 0, pid: 1 << 30, copying: true}
	s.giveUp("because")
	s.up.flush()
	w.Close()
	h, payload, err := readFrame(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEvent(h, payload)
	want := Event{Kind: Exited, Pid: 1 << 30, Code: 137, Signal: 9, Err: "because"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || s.live != 0 || s.leftover == "" {
		t.Errorf("%v, %d live, %q, want minus got:\n%s", err, s.live, s.leftover, diff)
	}
}

// A stream that somebody keeps open is cut, and what is in the pipe is sent.
func TestCutStream(t *testing.T) {
	t.Parallel()
	up, sink, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	r, w, err := readPipe("stdout")
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{up: newUplink(sink), eofs: make(chan struct{}), tasks: []*task{{copying: true, out: [2]*os.File{r, r}}}}
	if _, err = syscall.Write(w, []byte("left")); err != nil {
		t.Fatal(err)
	}
	s.cutStreams()
	s.up.copy(0, Stdout, r)
	_, got, err := readFrame(up, nil)
	if string(got) != "left" || err != nil {
		t.Errorf("want left, got %q, %v", got, err)
	}
	for _, err := range []error{syscall.Close(w), r.Close(), sink.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}
