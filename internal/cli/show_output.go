package cli

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/lwjbus/lwjbus/lwj"
)

// maxHeld is how many bytes of a line are held back for its end before they
// are shown as a line.
const maxHeld = 64 << 10

// show writes the output of a job's tasks, line by line with the task before
// each where there are several. It may be used by several goroutines.
type show struct {
	broken chan struct{} // closed when nobody reads any more

	mu       sync.Mutex
	out, err io.Writer
	label    bool
	held     map[source]*bytes.Buffer
	order    []source
	failed   error
}

// source is one stream of one task.
type source struct {
	task   int
	stream string
}

func newShow(out, err io.Writer, label bool) *show {
	return &show{broken: make(chan struct{}), out: out, err: err, label: label, held: map[source]*bytes.Buffer{}}
}

// output shows a piece of output. After an error it shows nothing more.
func (s *show) output(task int, stream string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.label {
		s.write(stream, data)
		return
	}
	src := source{task, stream}
	b := s.held[src]
	if b == nil {
		b = &bytes.Buffer{}
		s.held[src] = b
		s.order = append(s.order, src)
	}
	b.Write(data)
	s.lines(src, b)
}

// lines shows the whole lines that are held, and one that is too long.
func (s *show) lines(src source, b *bytes.Buffer) {
	var ready bytes.Buffer
	for {
		end := bytes.IndexByte(b.Bytes(), '\n')
		if end < 0 && b.Len() < maxHeld {
			break
		}
		if end < 0 {
			end = b.Len() - 1
		}
		addLine(&ready, src.task, b.Next(end+1))
	}
	s.write(src.stream, ready.Bytes())
}

func addLine(to *bytes.Buffer, task int, line []byte) {
	fmt.Fprintf(to, "[%d] %s", task, line)
	if line[len(line)-1] != '\n' {
		to.WriteByte('\n')
	}
}

func (s *show) write(stream string, data []byte) {
	w := s.out
	if stream == lwj.Stderr {
		w = s.err
	}
	if s.failed != nil || len(data) == 0 {
		return
	}
	if _, err := w.Write(data); err != nil {
		s.failed = err
		close(s.broken)
	}
}

// close shows what is held and returns the first error.
func (s *show) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.order {
		if b := s.held[src]; b.Len() > 0 {
			var line bytes.Buffer
			addLine(&line, src.task, b.Next(b.Len()))
			s.write(src.stream, line.Bytes())
		}
	}
	return s.failed
}
