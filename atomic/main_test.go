package atomic_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine/enginetest"
)

// patience bounds every wait of a test; only a failure reaches it.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == helperMark {
		os.Exit(help(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == holderMark {
		os.Exit(holdLock(os.Args[2]))
	}
	goleak.VerifyTestMain(m, enginetest.ServerLeaks()...)
}

// failer is what tests and rapid's checks have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t failer, c *bus.Conn, key string, opts ...atomic.WordOption) *atomic.Word {
	t.Helper()
	w, err := atomic.Open(c, "kv", key, opts...)
	must(t, err)
	return w
}

// word reads a word and wants it to be there.
func word(t failer, ctx context.Context, c *bus.Conn, key string) int64 {
	t.Helper()
	n, err := open(t, c, key, atomic.MustExist()).Load(ctx)
	must(t, err)
	return n
}
