package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
)

// logger hands the server's words to slog and keeps the first fatal one, which
// is how the server tells that its start failed. It also notes when an error
// of a file is reported: the server goes on after one, its store does not.
type logger struct {
	log *slog.Logger

	mu      sync.Mutex
	started bool  // before it, warnings are about our own choice of options
	fatal   error // an error among the arguments of the first Fatalf
	broken  error // an error of a file among the arguments of the first such Errorf
}

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

func (l *logger) Warnf(format string, v ...any) {
	l.mu.Lock()
	started := l.started
	l.mu.Unlock()
	if started {
		l.log.Warn("nats server", "message", fmt.Sprintf(format, v...))
	}
}

func (l *logger) Errorf(format string, v ...any) {
	l.log.Error("nats server", "message", fmt.Sprintf(format, v...))
	var file *fs.PathError
	if err := errorIn(v); !errors.As(err, &file) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = file
	}
}

func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal != nil {
		return
	}
	if l.fatal = errorIn(v); l.fatal == nil {
		l.fatal = fmt.Errorf(format, v...)
	}
}

// errorIn returns the first error among the arguments of a message, nil for none.
func errorIn(args []any) error {
	for _, a := range args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}

// storeBroken returns the first error of a file that the server reported.
func (l *logger) storeBroken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// start ends the start of the server and returns why it failed.
func (l *logger) start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	return l.fatal
}
