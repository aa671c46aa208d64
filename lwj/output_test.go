package lwj

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// runningJob makes a job that may print.
func (h *testHost) runningJob(spec Spec) uint64 {
	h.t.Helper()
	id := h.submit(spec, Start("printer", h.printer()))
	h.advance(id, 1, Starting, Running)
	return id
}

func (h *testHost) printer() uint64 {
	h.t.Helper()
	if c := h.engine.Snapshot().Get("_owner", "printer"); c != nil {
		return c.Created
	}
	return h.owner("printer")
}

// print appends data to a stream in chunks of size bytes.
func (h *testHost) print(id uint64, task int, stream string, data []byte, size int) {
	h.t.Helper()
	for from := 0; from < len(data); from += size {
		results, err := h.client.Append(testContext(h.t), Chunk{ID: id, Epoch: 1, Task: task, Stream: stream,
			Offset: uint64(from), Data: data[from:min(len(data), from+size)]})
		if err == nil {
			err = results[0].Err()
		}
		if err != nil {
			h.t.Error(err)
			return
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// read returns the output of one stream.
func (h *testHost) read(id uint64, o OutputOptions) []byte {
	h.t.Helper()
	var b bytes.Buffer
	must(h.t, h.client.Output(id, o).Copy(testContext(h.t), &b, &b))
	return b.Bytes()
}

// TestOutput is case J19 at the store: 10 MB of binary from 3 tasks at once,
// read while it is written, after the end, and from an offset.
func TestOutput(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	s := NewSpec("true")
	s.Tasks = 3
	id := h.runningJob(s)
	var want [3][]byte
	followed := make([]bytes.Buffer, 3)
	var writers, readers sync.WaitGroup
	for task := range want {
		want[task] = randomBytes(10<<20/3 + task)
		writers.Go(func() { h.print(id, task, Stdout, want[task], MaxChunk-task) })
		readers.Go(func() {
			if err := h.client.Output(id, OutputOptions{Task: task, Stream: Stdout, Follow: true}).Copy(testContext(t), &followed[task], nil); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	h.print(id, 1, Stderr, []byte("oops"), 2)
	h.advance(id, 1, Complete)
	readers.Wait()
	for task := range want {
		for _, got := range [][]byte{followed[task].Bytes(), h.read(id, OutputOptions{Task: task, Stream: Stdout})} {
			if !bytes.Equal(want[task], got) {
				t.Fatalf("task %d: want %d bytes as printed, got %d others", task, len(want[task]), len(got))
			}
		}
		for _, offset := range []int{1, MaxChunk, 1<<20 + 17, len(want[task]) - 1, len(want[task])} {
			got := h.read(id, OutputOptions{Task: task, Stream: Stdout, Offset: uint64(offset), Follow: true})
			if !bytes.Equal(want[task][offset:], got) {
				t.Fatalf("task %d from %d: want %d bytes, got %d", task, offset, len(want[task])-offset, len(got))
			}
		}
	}
	wantEqual(t, "stderr of all tasks", "oops", string(h.read(id, OutputOptions{Task: AllTasks, Stream: Stderr})))
	wantEqual(t, "everything", len(want[0])+len(want[1])+len(want[2])+4, len(h.read(id, OutputOptions{Task: AllTasks})))
}

// TestAppendRetry: what is stored already is dropped, what overlaps is cut,
// and a gap is refused with the offset that is expected; also by a store that
// has just started.
func TestAppendRetry(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	id := h.runningJob(NewSpec("true"))
	add := func(offset uint64, data string) AppendResult {
		results, err := h.client.Append(testContext(t), Chunk{ID: id, Epoch: 1, Stream: Stdout, Offset: offset, Data: []byte(data)})
		must(t, err)
		return results[0]
	}
	r := add(3, "x")
	if !errors.Is(r.Err(), ErrGap) || r.Error.Revision != 0 {
		t.Fatalf("want a gap, 0 expected, got %+v", r)
	}
	for _, c := range []struct {
		offset uint64
		data   string
		end    uint64
	}{{0, "abc", 3}, {0, "abc", 3}, {1, "b", 3}, {1, "bcdef", 6}, {6, "g", 7}} {
		r := add(c.offset, c.data)
		must(t, r.Err())
		wantEqual(t, fmt.Sprintf("expected after %q at %d", c.data, c.offset), c.end, r.Expected)
	}
	h.restart()
	wantEqual(t, "expected after a restart", 7, add(4, "efg").Expected)
	if r := add(8, "i"); !errors.Is(r.Err(), ErrGap) || r.Error.Revision != 7 {
		t.Fatalf("want a gap, 7 expected, got %+v", r)
	}
	add(7, "h")
	wantEqual(t, "output", "abcdefgh", string(h.read(id, OutputOptions{Stream: Stdout})))
}

// TestAppendByTwoStores: a store that does not know of another's chunks does
// not mix its own in.
func TestAppendByTwoStores(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	id := h.runningJob(NewSpec("true"))
	other := NewOutputStore(openOutput(t, h.nc), h.conn.Names())
	defer other.Close()
	for i, store := range []*OutputStore{h.store, other, h.store, h.store, other} {
		answer, err := store.Append(testContext(t), h.engine.View(""), &AppendRequest{Chunks: []Chunk{
			{ID: id, Epoch: 1, Stream: Stdout, Offset: uint64(i), Data: []byte{byte('a' + i)}}}})
		must(t, err)
		must(t, answer.Results[0].Err())
	}
	wantEqual(t, "output", "abcde", string(h.read(id, OutputOptions{Stream: Stdout})))
}

func TestAppendFenced(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	s := NewSpec("true")
	s.Retries = 1
	id, token := h.submit(s), h.owner("one")
	append1 := func(epoch, offset uint64, data string) error {
		results, err := h.client.Append(testContext(t), Chunk{ID: id, Epoch: epoch, Stream: Stdout, Offset: offset, Data: []byte(data)})
		must(t, err)
		return results[0].Err()
	}
	wantCode(t, bus.CodeFenced, append1(0, 0, "x"))
	_, err := h.claim(id, "one", token)
	must(t, err)
	must(t, append1(1, 0, "first "))
	h.endOwner("one", token)
	wantCode(t, bus.CodeFenced, append1(1, 6, "x"))
	_, err = h.claim(id, "two", h.owner("two"))
	must(t, err)
	wantCode(t, bus.CodeFenced, append1(1, 6, "x"))
	must(t, append1(2, 0, "second "))
	must(t, append1(2, 0, "second "))
	must(t, append1(2, 7, "attempt"))
	h.advance(id, 2, life...)
	wantCode(t, bus.CodeFenced, append1(2, 14, "x"))
	id = 99
	wantCode(t, bus.CodeNotFound, append1(1, 0, "x"))
	wantEqual(t, "output", "first second attempt", string(h.read(1, OutputOptions{Stream: Stdout, Follow: true})))
}

// TestOutputLimit: what is over the limit is dropped, the bytes up to it are
// there, and one event tells, also after a restart.
func TestOutputLimit(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	s := NewSpec("true")
	s.OutputLimit = 10
	id := h.runningJob(s)
	before := h.conn.Clock().Now()
	h.print(id, 0, Stdout, []byte("0123456789abcdef"), 4)
	after := h.conn.Clock().Now()
	h.restart()
	results, err := h.client.Append(testContext(t), Chunk{ID: id, Epoch: 1, Stream: Stderr, Offset: 0, Data: []byte("more")},
		Chunk{ID: id, Epoch: 1, Stream: Stdout, Offset: 16, Data: []byte("more")})
	must(t, err)
	for _, r := range results {
		must(t, r.Err())
		wantEqual(t, "dropped", true, r.Dropped)
	}
	h.advance(id, 1, Complete)
	wantEqual(t, "output", "0123456789", string(h.read(id, OutputOptions{Follow: true})))
	events := until(t, h.monitor(EventOptions{Kinds: []Kind{KindEvent}}), caughtUp)
	wantEqual(t, "events and the mark", 2, len(events))
	wantEqual(t, "name", EventTruncated, events[0].Name)
	if got := events[0].Clock; got <= before || got > after {
		t.Errorf("want the clock of whoever printed, above %d up to %d, got %d", before, after, got)
	}
}

func TestOutputEndsWithItsJob(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	id := h.runningJob(NewSpec("true"))
	r := h.client.Output(id, OutputOptions{Follow: true})
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(testContext(t))
		done <- err
	}()
	h.advance(id, 1, Complete)
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Fatalf("want the end, got %v", err)
	}
	_, err := h.client.Output(99, OutputOptions{}).Next(testContext(t))
	wantCode(t, bus.CodeNotFound, err)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	_, err = h.client.Output(id, OutputOptions{Offset: 3}).Next(ctx)
	if err == nil {
		t.Fatal("want an offset without a stream refused")
	}
}

func TestAppendBounds(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	for name, c := range map[string]struct {
		chunk Chunk
		want  bus.Code
	}{
		"empty":  {Chunk{ID: 1, Stream: Stdout}, bus.CodeUsage},
		"large":  {Chunk{ID: 1, Stream: Stdout, Data: make([]byte, MaxChunk+1)}, bus.CodeTooLarge},
		"stream": {Chunk{ID: 1, Stream: "stdin", Data: []byte("x")}, bus.CodeUsage},
		"task":   {Chunk{ID: 1, Stream: Stdout, Task: MaxTasks, Data: []byte("x")}, bus.CodeUsage},
	} {
		_, err := h.client.Append(testContext(t), c.chunk)
		if bus.CodeOf(err) != c.want {
			t.Errorf("%s: want %s, got %v", name, c.want, err)
		}
	}
}

func TestDropOutput(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	first, second := h.runningJob(NewSpec("true")), h.runningJob(NewSpec("true"))
	h.print(first, 0, Stdout, []byte("one"), 3)
	h.print(second, 0, Stdout, []byte("two"), 3)
	must(t, h.store.Drop(testContext(t), first))
	wantEqual(t, "dropped", 0, len(h.read(first, OutputOptions{})))
	wantEqual(t, "kept", "two", string(h.read(second, OutputOptions{})))
}
