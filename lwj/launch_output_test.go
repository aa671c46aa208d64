package lwj

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// noise is bytes that no encoding survives by chance.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// read returns what the store has of one stream.
func read(t testing.TB, h *testHost, id uint64, o OutputOptions) []byte {
	t.Helper()
	var buf bytes.Buffer
	must(t, h.client.Output(id, o).Copy(testContext(t), &buf, &buf))
	return buf.Bytes()
}

func wantBytes(t testing.TB, what string, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Errorf("%s: want %d bytes, got %d that differ", what, len(want), len(got))
	}
}

// J19: 10 MB from three tasks at once, byte for byte, here and in the store.
func TestLauncherOutput(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	const tasks, size = 3, 10 << 20 / 3
	dir := t.TempDir()
	var want [tasks][]byte
	for task := range want {
		want[task] = noise(uint64(task), size)
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(task)), want[task], 0o600))
	}
	spec := sh(`cat $LWJ_TASK; printf "bye $LWJ_TASK" >&2`)
	spec.Tasks, spec.Dir = tasks, dir
	var here [tasks]bytes.Buffer
	j := start(t, l, spec, RunOptions{OnOutput: func(task int, stream string, data []byte) {
		if stream == Stdout {
			here[task].Write(data)
		}
	}})
	var followed [tasks]bytes.Buffer
	var wg sync.WaitGroup
	for task := range tasks {
		wg.Go(func() {
			r := h.client.Output(j.ID(), OutputOptions{Task: task, Stream: Stdout, Follow: true})
			if err := r.Copy(testContext(t), &followed[task], io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	wantEqual(t, "state", Complete, ended(t, j).State)
	wg.Wait()
	for task := range tasks {
		wantBytes(t, "here", want[task], here[task].Bytes())
		wantBytes(t, "followed", want[task], followed[task].Bytes())
		wantBytes(t, "after the end", want[task], read(t, h, j.ID(), OutputOptions{Task: task, Stream: Stdout}))
		const offset = size/2 + 1
		wantBytes(t, "from an offset", want[task][offset:], read(t, h, j.ID(), OutputOptions{Task: task, Stream: Stdout, Offset: offset}))
		wantBytes(t, "stderr", fmt.Append(nil, "bye ", task), read(t, h, j.ID(), OutputOptions{Task: task, Stream: Stderr}))
	}
}

// A final state is not there before the output is.
func TestLauncherOutputBeforeEnd(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	for i := range 20 {
		j := start(t, l, NewSpec("echo", fmt.Sprint(i)), RunOptions{})
		_, err := h.client.Wait(testContext(t), AnyFinal, j.ID())
		must(t, err)
		wantEqual(t, "output", fmt.Sprintln(i), string(read(t, h, j.ID(), OutputOptions{})))
	}
}

func TestLauncherOutputLimit(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	spec := NewSpec("head", "-c", "3000000", "/dev/zero")
	spec.OutputLimit = 1000
	var here counter
	j := start(t, l, spec, RunOptions{Stdout: &here})
	wantEqual(t, "state", Complete, ended(t, j).State)
	wantEqual(t, "bytes here", 3000000, int(here))
	wantEqual(t, "bytes in the store", 1000, len(read(t, h, j.ID(), OutputOptions{})))
	m := monitor(t, h, EventOptions{Kinds: []Kind{KindEvent}})
	ev, err := m.Next(testContext(t))
	must(t, err)
	wantEqual(t, "event", EventTruncated, ev.Name)
	wantEqual(t, "what is left of the bound", true, l.spool.room.TryAcquire(maxSpooled))
	l.spool.room.Release(maxSpooled)
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

func TestLauncherStdin(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	l := launcher(t, h.conn, LauncherConfig{})
	want := noise(1, 1<<20)
	var got bytes.Buffer
	j := start(t, l, NewSpec("cat"), RunOptions{Stdin: bytes.NewReader(want), Stdout: &got})
	wantEqual(t, "state", Complete, ended(t, j).State)
	wantBytes(t, "output", want, got.Bytes())
}

// Without the host, output waits at the tasks' pipes; nothing is lost.
func TestLauncherOutputWaits(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	g := newGate(h)
	l := launcher(t, g.conn(t, impatient), LauncherConfig{})
	out := newPrinted()
	const size = maxSpooled + 4<<20
	j := start(t, l, sh(fmt.Sprintf("echo up; read go; head -c %d /dev/zero", size)), RunOptions{
		Stdin: strings.NewReader("go\n"),
		OnOutput: func(_ int, _ string, data []byte) {
			if bytes.HasPrefix(data, []byte("up\n")) {
				g.cut.Store(true)
				out.Write([]byte("up\n"))
			}
		},
	})
	out.next(t)
	// The bound is reached: no room is left for another byte.
	for l.spool.room.TryAcquire(64 << 10) {
		l.spool.room.Release(64 << 10)
		select {
		case <-g.arrived: // a request that was cut: time passes
		case <-testContext(t).Done():
			t.Fatal("want the bound to be reached")
		}
	}
	g.cut.Store(false)
	wantEqual(t, "state", Complete, ended(t, j).State)
	wantEqual(t, "bytes", len("up\n")+size, len(read(t, h, j.ID(), OutputOptions{})))
}

// A job that prints much does not keep the small output of another.
func TestSpoolTurns(t *testing.T) {
	t.Parallel()
	s := newSpool(t.Context(), nil)
	big, small := testJob(t, s, 1), testJob(t, s, 2)
	for range 4 {
		s.write(big, make([]byte, 1<<20))
	}
	s.write(small, []byte("x"))
	pieces := s.take()
	wantEqual(t, "pieces", 2, len(pieces))
	wantEqual(t, "first", MaxChunk, len(pieces[0].chunk.Data))
	wantEqual(t, "second is of job", 2, pieces[1].chunk.ID)
	wantEqual(t, "offset of the next", MaxChunk, s.take()[0].chunk.Offset)
}

// What a store lost is told, and the output goes on behind it.
func TestSpoolGap(t *testing.T) {
	t.Parallel()
	s := newSpool(t.Context(), nil)
	o := testJob(t, s, 1)
	s.write(o, make([]byte, 100))
	s.finish(s.take())
	s.write(o, make([]byte, 10))
	pieces := s.take()
	again := s.settle(pieces, []AppendResult{{Error: ErrGap, Expected: 60}})
	wantEqual(t, "sent again", 1, len(again))
	wantEqual(t, "offset", 60, again[0].chunk.Offset)
	wantEqual(t, "lost", 40, s.lostOutput(o.job))
	s.write(o, make([]byte, 1))
	wantEqual(t, "offset of the next", 70, s.take()[0].chunk.Offset)
	if again := s.settle(again, []AppendResult{{Error: ErrFenced}}); len(again) != 0 {
		t.Error("want a fenced chunk not to be sent again")
	}
	wantEqual(t, "the job is lost", bus.CodeFenced, bus.CodeOf(context.Cause(o.job.ctx)))
}

// testJob is a job without a launcher, and its one outlet.
func testJob(t testing.TB, s *spool, id uint64) *outlet {
	j := &Job{id: id, epoch: 1, drained: make(chan struct{}, 1)}
	j.ctx, j.cancel = context.WithCancelCause(t.Context())
	t.Cleanup(func() { j.cancel(nil) })
	return &outlet{job: j, stream: Stdout}
}
