package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// errSignal is the cause of a context that a signal ended.
type errSignal struct{ syscall.Signal }

func (e errSignal) Error() string { return "ended by " + e.Signal.String() }

// asSignal is the signal that ended ctx, if one did.
func asSignal(ctx context.Context) (syscall.Signal, bool) {
	var e errSignal
	if errors.As(context.Cause(ctx), &e) {
		return e.Signal, true
	}
	return 0, false
}

// signals turns the first signal into the end of a context. Later ones have
// their usual effect, unless a command keeps them.
type signals struct {
	first  chan os.Signal
	broken chan os.Signal // SIGPIPE: caught so that a write returns EPIPE; not ignored, which tasks would inherit
	later  chan os.Signal // those after the first, while kept
	kept   atomic.Bool
	done   chan struct{}
	wg     sync.WaitGroup
}

func newSignals() *signals {
	return &signals{
		first: make(chan os.Signal, 2), broken: make(chan os.Signal, 1),
		later: make(chan os.Signal, 1), done: make(chan struct{}),
	}
}

// start returns the context that the first signal ends.
func (s *signals) start(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Notify(s.first, wanted()...)
	signal.Notify(s.broken, syscall.SIGPIPE)
	s.wg.Go(func() { // ends with stop
		defer cancel(nil)
		s.wait(cancel)
	})
	return ctx
}

// wanted are the signals that end a command, but for those that whoever
// started us had ignored (nohup, a shell's background).
func wanted() []os.Signal {
	all := []os.Signal{syscall.SIGTERM}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			all = append(all, sig)
		}
	}
	return all
}

func (s *signals) wait(end context.CancelCauseFunc) {
	select {
	case sig := <-s.first:
		end(errSignal{sig.(syscall.Signal)})
	case <-s.done:
		return
	}
	for {
		select {
		case sig := <-s.first:
			s.pass(sig.(syscall.Signal))
		case <-s.done:
			return
		}
	}
}

// pass hands a signal after the first to who keeps them, or lets it have its
// usual effect.
func (s *signals) pass(sig syscall.Signal) {
	if !s.kept.Load() {
		signal.Reset(sig)
		_ = syscall.Kill(syscall.Getpid(), sig) // a process may signal itself
		return
	}
	select {
	case s.later <- sig:
	default: // one is waiting already
	}
}

// keep makes signals after the first come through the channel it returns,
// until letGo.
func (s *signals) keep() <-chan os.Signal {
	s.kept.Store(true)
	return s.later
}

// letGo gives signals after the first their usual effect again.
func (s *signals) letGo() { s.kept.Store(false) }

func (s *signals) stop() {
	signal.Stop(s.first)
	signal.Stop(s.broken)
	close(s.done)
	s.wg.Wait()
}
