package atomic_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// holderMark as first argument makes the test binary a helper that holds the
// lock l of the host of a directory under the shortest lease. For the line on
// its input it writes under the lock's fence, says whether that was taken, and
// then that it was told of the loss.
const holderMark = "holder-of-a-test"

// What a helper says.
const (
	saidHeld    = "held"
	saidTaken   = "taken"
	saidRefused = "refused"
	saidTold    = "told"
)

func holdLock(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := holdUntilLost(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		return 1
	}
	return 0
}

func holdUntilLost(ctx context.Context, dir string) error {
	c, err := bus.DialLocal(ctx, dir, bus.Config{})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := kvbucket.OpenSession(ctx, c, kvbucket.SessionConfig{TTL: kvbucket.MinLease})
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := atomic.NewLock(s, "l")
	if err != nil {
		return err
	}
	g, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	fmt.Println(saidHeld)
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	b, err := kvbucket.Open(c, "kv")
	if err != nil {
		return err
	}
	res, err := b.Commit(ctx, kvbucket.Txn{If: []kvbucket.Cond{g.Held()}, Then: []kvbucket.Op{kvbucket.OpPut("stale", nil)}})
	switch {
	case err != nil:
		return err
	case res.Succeeded:
		fmt.Println(saidTaken)
	default:
		fmt.Println(saidRefused)
	}
	<-g.Lost()
	if err := g.Err(); !errors.Is(err, atomic.ErrNoOwner) {
		return err
	}
	fmt.Println(saidTold)
	return nil
}

// holder is a helper that runs.
type holder struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
	err strings.Builder
}

func startHolder(t *testing.T, dir string) *holder {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	h := &holder{t: t, cmd: exec.CommandContext(testContext(t), exe, holderMark, dir)}
	h.cmd.Stderr = &h.err
	h.in, err = h.cmd.StdinPipe()
	must(t, err)
	out, err := h.cmd.StdoutPipe()
	must(t, err)
	h.out = bufio.NewScanner(out)
	must(t, h.cmd.Start())
	t.Cleanup(func() {
		h.cmd.Process.Kill() // it may have ended
		h.cmd.Wait()
	})
	h.says(saidHeld)
	return h
}

func (h *holder) says(want string) {
	h.t.Helper()
	if !h.out.Scan() {
		h.cmd.Wait()
		h.t.Fatalf("want %q, got the end: %s", want, h.err.String())
	}
	if got := h.out.Text(); got != want {
		h.t.Fatalf("want %q, got %q", want, got)
	}
}

func (h *holder) signal(s syscall.Signal) {
	h.t.Helper()
	must(h.t, h.cmd.Process.Signal(s))
}

// TestA10: a holder is paused past its lease; the next gets the lock. When it
// goes on, what it writes is refused, and it is told.
func TestA10(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	h := startHolder(t, bed.Dir())
	next := enqueue(t, c, locking(newLock(t, openSession(t, c), "l")))
	h.signal(syscall.SIGSTOP)
	g := next.granted()
	h.signal(syscall.SIGCONT)
	_, err := io.WriteString(h.in, "\n")
	must(t, err)
	h.says(saidRefused)
	h.says(saidTold)
	if !held(t, c, g) {
		t.Error("want the next to hold it, got it not")
	}
	drop(t, g)
	wantNothing(t, c)
}

// TestLockKilled: the lock of a process that is killed goes to the next when
// its lease ends.
func TestLockKilled(t *testing.T) {
	t.Parallel()
	bed := natstest.New(t)
	c := bed.Conn()
	h := startHolder(t, bed.Dir())
	var line []*queued
	for range 2 {
		line = append(line, enqueue(t, c, locking(newLock(t, openSession(t, c), "l"))))
	}
	h.signal(syscall.SIGKILL)
	for _, q := range line {
		drop(t, q.granted())
	}
	wantNothing(t, c)
}
