package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/atomic"
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	lostSums   = 200 // adds of A07, each of whose answers is lost
	addKills   = 5   // of A08
	adders     = 4   // processes
	perAdder   = 2_500
	addAtOnce  = 16 // calls of a process, each over a connection of its own
	addDoubted = 5  // one call in so many gives up early
)

func openWord(t testing.TB, c *bus.Conn) *atomic.Word {
	t.Helper()
	w, err := atomic.Open(c, "kv", "n")
	must(t, err)
	return w
}

// TestA07 cuts the connection between store and answer of each of 200 adds:
// each is done once, and its caller learns the value before.
func TestA07(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience+lostSums*time.Second)
	defer cancel()
	bed := natstest.New(t)
	p := newProxy(t, bed.Dir())
	w := openWord(t, dial(t, p.dir, bus.Config{RequestTimeout: patience, TryTimeout: time.Second}))
	for i := range int64(lostSums) {
		p.loseReply.Store(true)
		if before, err := w.Add(ctx, 1); err != nil || before != i {
			t.Fatalf("want %d before, got %d (%v)", i, before, err)
		}
	}
	if n, err := openWord(t, bed.Conn()).Load(ctx); err != nil || n != lostSums {
		t.Errorf("want %d, got %d (%v)", lostSums, n, err)
	}
	if cuts := p.cuts.Load(); cuts < lostSums {
		t.Errorf("want %d connections cut, got %d", lostSums, cuts)
	}
}

// helpAdd adds 1 to a word again and again and writes a line for each call into
// a file: the value before, or what became of the call. Some of the calls have
// little time.
func helpAdd(ctx context.Context, dir, file string, in *bufio.Scanner) error {
	words := make([]*atomic.Word, addAtOnce)
	for i := range words {
		cfg := bus.Config{RequestTimeout: patience}
		if i%addDoubted == 0 {
			cfg.RequestTimeout = linearPatience
		}
		c, err := bus.DialLocal(ctx, dir, cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		if words[i], err = atomic.Open(c, "kv", "n"); err != nil {
			return err
		}
	}
	fmt.Println(saidReady)
	in.Scan()
	lines := make([]string, perAdder)
	var all sync.WaitGroup
	for i, w := range words {
		all.Go(func() {
			for k := i; k < perAdder; k += addAtOnce {
				before, err := w.Add(ctx, 1)
				lines[k] = addLine(before, err)
			}
		})
	}
	all.Wait()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return err
	}
	fmt.Println(saidDone)
	in.Scan()
	return nil
}

// addLine is what became of an add: the value before, doubt, or nothing.
func addLine(before int64, err error) string {
	switch {
	case err == nil:
		return strconv.FormatInt(before, 10)
	case errors.Is(err, bus.ErrUnknownOutcome):
		return "doubt"
	case errors.Is(err, bus.ErrUnreachable):
		return "not done"
	}
	return "error: " + err.Error()
}

// TestA08 kills the host among the adds of four processes: every acknowledged
// one counts once, those of unknown outcome at most once, and the others not.
func TestA08(t *testing.T) {
	t.Parallel()
	ctx, r, dir := testContext(t), random(t), t.TempDir()
	hosts := newRelay(t, dir)
	c := dial(t, dir, bus.Config{})
	added := make([]*process, adders)
	for i := range added {
		added[i] = spawn(t, roleAdder, dir, filepath.Join(dir, fmt.Sprint("adder-", i)))
		added[i].said(saidReady)
	}
	w, err := open(t, c).Watch(ctx, kvbucket.Keys("n"))
	must(t, err)
	defer w.Close()
	for _, p := range added {
		p.say("go")
	}
	for kill := range addKills {
		hosts.prepare()
		reached(ctx, t, w, int64((kill+1)*adders*perAdder/(addKills+2)))
		pass(ctx, r, killWindow)
		hosts.crash()
		hosts.recovered()
	}
	seen, doubts := map[string]bool{}, int64(0)
	for i, p := range added {
		p.said(saidDone)
		doubts += readAdds(t, filepath.Join(dir, fmt.Sprint("adder-", i)), seen)
	}
	n, err := openWord(t, c).Load(ctx)
	must(t, err)
	if acked := int64(len(seen)); n < acked || n > acked+doubts {
		t.Errorf("want %d to %d, got %d", acked, acked+doubts, n)
	}
	for value := range seen {
		if before, err := strconv.ParseInt(value, 10, 64); err != nil || before < 0 || before >= n {
			t.Errorf("want a value below %d before each add, got %s", n, value)
		}
	}
	t.Logf("%d adds acknowledged, %d in doubt, the word is %d", len(seen), doubts, n)
	hosts.stop()
	hosted(t, dir)
}

// reached waits until the word is at least n.
func reached(ctx context.Context, t *testing.T, w *kvbucket.Watch, n int64) {
	t.Helper()
	for {
		e, err := w.Next(ctx)
		must(t, err)
		if e.Entry == nil {
			continue
		}
		is, err := strconv.ParseInt(string(e.Entry.Value), 10, 64)
		must(t, err)
		if is >= n {
			return
		}
	}
}

// readAdds reads what a helper wrote: values go into seen, once each, and the
// doubts are counted.
func readAdds(t *testing.T, file string, seen map[string]bool) (doubts int64) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	lines := strings.Split(string(text), "\n")
	if len(lines) != perAdder {
		t.Errorf("want %d lines, got %d", perAdder, len(lines))
	}
	for _, line := range lines {
		switch {
		case line == "doubt":
			doubts++
		case line == "not done":
		case strings.HasPrefix(line, "error"), seen[line]:
			t.Errorf("want a value that nobody else got, got %s", line)
		default:
			seen[line] = true
		}
	}
	return doubts
}
