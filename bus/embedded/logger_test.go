package embedded

import (
	"context"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// TestWorking_writeError: the server reports a failed write once and says
// nothing to those who publish; Working knows until Restart.
func TestWorking_writeError(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := start(t, Config{Logger: textLogger(&log)})
	s.log.Errorf("Filestore [%s] Critical write error: %v", "S", &fs.PathError{Op: "write", Path: "1.blk", Err: syscall.ENOSPC})
	wantRefusal(t, s.Working(), bus.CodeStore, "no space left", "free some space")
	if want, got := "Critical write error", log.String(); !strings.Contains(got, want) {
		t.Errorf("want %q logged, got %q", want, got)
	}
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Working(); err != nil {
		t.Errorf("want no error after Restart, got %v", err)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	l := &logger{log: textLogger(&log)}
	l.Warnf("before the start")
	if err := l.start(); err != nil {
		t.Errorf("want no error, got %v", err)
	}
	l.Noticef("notice")
	l.Debugf("debug")
	l.Tracef("trace")
	l.Warnf("warning %d", 1)
	l.Errorf("error %d", 2)
	want := "level=WARN msg=\"nats server\" message=\"warning 1\"\nlevel=ERROR msg=\"nats server\" message=\"error 2\"\n"
	if got := dropTimes(log.String()); want != got {
		t.Errorf("want %q, got %q", want, got)
	}
	l.Fatalf("no error in it: %d", 3)
	l.Fatalf("second")
	if want, got := "no error in it: 3", l.start(); got == nil || want != got.Error() {
		t.Errorf("want %q, got %v", want, got)
	}
	if err := l.storeBroken(); err != nil {
		t.Errorf("want a store that is not broken, got %v", err)
	}
}

// dropTimes takes the field time out of log lines.
func dropTimes(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		_, line, _ = strings.Cut(line, " ")
		b.WriteString(line)
	}
	return b.String()
}
