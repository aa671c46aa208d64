package proc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestOutputByteExact(t *testing.T) {
	t.Parallel()
	const size, tasks = 10 << 20, 3
	dir, want := t.TempDir(), [tasks][]byte{}
	for i := range want {
		want[i] = make([]byte, size+i) // no multiple of a chunk
		rnd := rand.NewChaCha8([32]byte{byte(i)})
		if _, err := rnd.Read(want[i]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(rune('0'+i))), want[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, Spec{
		Command: sh("cat $TASK & cat $TASK >&2; wait"), Tasks: tasks, Dir: dir,
		TaskEnv: func(task int) []string { return []string{"TASK=" + string(rune('0'+task))} },
	})
	for i := range want {
		for _, stream := range []Stream{Stdout, Stderr} {
			if got := r.output(i, stream); !bytes.Equal(want[i], []byte(got)) {
				t.Errorf("task %d %v: want %d bytes, got %d or others", i, stream, len(want[i]), len(got))
			}
		}
	}
}

func TestPartialLines(t *testing.T) {
	t.Parallel()
	r := run(t, Spec{Command: sh(`printf 'a\nb'; printf '\0c' >&2`)})
	if got := r.output(0, Stdout) + r.output(0, Stderr); got != "a\nb\x00c" {
		t.Errorf("want %q, got %q", "a\nb\x00c", got)
	}
}

func TestStdin(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("wc -c"), Tasks: 2, Stdin: true})
	text := strings.Repeat("x", 1<<20)
	if _, err := io.WriteString(g.Stdin(), text); err != nil {
		t.Fatal(err)
	}
	if err := g.Stdin().Close(); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, g)
	for task, want := range []string{"1048576", "0"} {
		if got := strings.TrimSpace(r.output(task, Stdout)); got != want {
			t.Errorf("task %d: want %s bytes, got %s", task, want, got)
		}
	}
	if _, err := io.WriteString(g.Stdin(), text); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after the end: want %v, got %v", os.ErrClosed, err)
	}
}

func TestStdinNobodyReads(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: sh("exec <&-; echo closed; exec sleep 1000"), Stdin: true})
	r.await(t, "output", func() bool { return r.output(0, Stdout) != "" })
	if _, err := io.WriteString(g.Stdin(), "x"); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("want %v, got %v", syscall.EPIPE, err)
	}
}

// A writer that waits for a task which does not read ends with the group.
func TestStdinBlockedWriter(t *testing.T) {
	t.Parallel()
	g, r := start(t, Spec{Command: []string{"sleep", "1000"}, Stdin: true})
	r.awaitKind(t, Started, 1)
	failed := make(chan error, 1)
	go func() {
		_, err := g.Stdin().Write(make([]byte, 1<<20))
		failed <- err
	}()
	g.Kill()
	awaitDone(t, g)
	if err := <-failed; err == nil {
		t.Error("want an error, got none")
	}
}

func TestNoStdin(t *testing.T) {
	t.Parallel()
	g, _ := start(t, Spec{Command: []string{"cat"}})
	awaitDone(t, g)
	if _, err := g.Stdin().Write([]byte("x")); !errors.Is(err, ErrNoStdin) {
		t.Errorf("want %v, got %v", ErrNoStdin, err)
	}
}

// A handler that does not return stops the output, and Kill still works; what
// was written is not lost.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	var once sync.Once
	r, first, goOn := newRecorder(), make(chan struct{}), make(chan struct{})
	g, err := Start(context.Background(), Spec{Command: sh("head -c 5000000 /dev/zero; echo end"), Env: os.Environ(), Tasks: 1}, func(ev Event) {
		if ev.Kind == Output {
			once.Do(func() { close(first); <-goOn })
		}
		r.handle(ev)
	})
	if err != nil {
		t.Fatal(err)
	}
	<-first
	select {
	case <-g.Done():
		t.Error("want the group to wait for its handler, it ended")
	case <-time.After(100 * time.Millisecond):
	}
	close(goOn)
	awaitDone(t, g)
	if got := r.output(0, Stdout); len(got) != 5000004 || !strings.HasSuffix(got, "end\n") {
		t.Errorf("want 5000004 bytes, got %d", len(got))
	}
}
