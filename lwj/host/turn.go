package host

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
)

// namespaceFile holds the namespace of the newest host of a data directory.
const namespaceFile = "namespace"

// yieldTime is how long a stand-by waits after a host of another namespace
// has left: those that stand by for that one try every joinPauseMax.
const yieldTime = 5 * joinPauseMax

// claim writes down, under the lock, for which namespace the directory is hosted.
func (h *Host) claim() error {
	if hostedFor(h.cfg.Dir) == h.cfg.Namespace {
		return nil
	}
	if err := os.WriteFile(filepath.Join(h.cfg.Dir, namespaceFile), []byte(h.cfg.Namespace), 0o600); err != nil {
		return bus.NewError(bus.CodeStore, "the data directory cannot be written: %v", err).WithHint("use another --dir")
	}
	return nil
}

// hostedFor is the namespace of the newest host, also after it has left; empty
// where there has been none.
func hostedFor(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, namespaceFile))
	if err != nil {
		return "" // the host says what is wrong with the directory
	}
	return string(b)
}

// turn tells a stand-by when it may take over its data directory, which has
// one host, of one namespace, at a time. It belongs to one goroutine.
type turn struct {
	dir, namespace string
	other          string    // namespace of the newest host, where it is another
	seen           time.Time // when that host may still have been there, last
}

// check is nil when the stand-by may try. While a host of another namespace
// is there, and for yieldTime after, those that stand by for that one go first
// (TestStandbysGoInTheirNamespace).
func (t *turn) check() error {
	was := t.other
	if t.other = hostedFor(t.dir); t.other == "" || t.other == t.namespace {
		return nil
	}
	if t.other != was || hosted(t.dir) {
		t.seen = time.Now()
	}
	if time.Since(t.seen) >= yieldTime {
		return nil
	}
	return bus.NewError(bus.CodeUnreachable, "the host of %s serves namespace %s, not %s: this process waits until it has left", t.dir, t.other, t.namespace).
		WithHint("use another --dir for another namespace")
}

// hosted reports whether a process has the lock.
func hosted(dir string) bool {
	l, err := embedded.TryLock(dir)
	if err == nil {
		err = l.Close()
	}
	return errors.Is(err, embedded.ErrLocked)
}
