package embedded

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// otherProcess names the directory that the test binary locks when it is
// started as the other process of a test.
const otherProcess = "LWJ_TEST_HOLD_LOCK"

// holdLock is the other process: it locks dir, says so, and ends cleanly when
// its standard input does.
func holdLock(dir string) int {
	l, err := TryLock(dir)
	if err != nil {
		println(err.Error())
		return 1
	}
	if err := l.Publish(bus.HostFile{Store: "other"}); err != nil {
		println(err.Error())
		return 1
	}
	os.Stdout.WriteString("locked\n")
	io.Copy(io.Discard, os.Stdin)
	if err := l.Close(); err != nil {
		return 1
	}
	return 0
}

// other starts the other process and returns when it holds the lock.
func other(t *testing.T, dir string) (kill, leave func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), otherProcess+"="+dir)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("want the other process to lock, got %q (%v)", line, err)
	}
	return func() { cmd.Process.Signal(syscall.SIGKILL) }, func() { in.Close() }
}

func TestLock_onlyOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "dir")
	l, err := TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("want ErrLocked, got %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("want Close to work twice, got %v", err)
	}
	again, err := TryLock(dir)
	if err != nil {
		t.Fatalf("want the lock free after Close, got %v", err)
	}
	again.Close()
	info, err := os.Stat(dir)
	if want := os.FileMode(0o700); err != nil || info.Mode().Perm() != want {
		t.Errorf("want mode %v, got %v (%v)", want, info.Mode(), err)
	}
}

// TestLock_takeover: the next host gets the lock when the one before leaves,
// however it leaves.
func TestLock_takeover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		kill     bool
		hostFile bool // is left behind
	}{{"leaves", false, false}, {"kill -9", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			kill, leave := other(t, dir)
			if _, err := TryLock(dir); !errors.Is(err, ErrLocked) {
				t.Fatalf("want ErrLocked, got %v", err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			got := make(chan error, 1)
			go func() {
				l, err := WaitLock(ctx, dir)
				if err == nil {
					err = l.Close()
				}
				got <- err
			}()
			if c.kill {
				kill()
			} else {
				leave()
			}
			if err := <-got; err != nil {
				t.Fatalf("want the lock, got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, bus.HostFileName)); (err == nil) != c.hostFile {
				t.Errorf("want a host file left behind: %v, got %v", c.hostFile, err)
			}
		})
	}
}

func TestWaitLock_ends(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := WaitLock(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
}

func TestLock_refuses(t *testing.T) {
	t.Parallel()
	local := func(string) (string, error) { return "", nil }
	us := guard{uid: os.Geteuid(), network: local, machine: func() string { return "here" }}
	for _, c := range []struct {
		name    string
		guard   guard
		prepare func(dir string) error
		want    string // in the message, after "<dir>" was taken out
		hint    string
	}{
		{"another user", guard{uid: us.uid + 1, network: local, machine: us.machine}, nil, " belongs to user ", "run as that user"},
		{"network file system", guard{us.uid, func(string) (string, error) { return "nfs", nil }, us.machine}, nil, "is on a network file system (nfs)", "--dir"},
		{"unknown file system", guard{us.uid, func(string) (string, error) { return "", syscall.EIO }, us.machine}, nil, "cannot be used", "--dir"},
		{"another machine", us, content(machineFile, "0123"), "was made on another machine", "moved"},
		{"newer format", us, content(formatFile, "2\n"), "was made by a newer version (format 2; this is format 1)", "upgrade lwj, or use another --dir"},
		{"no format", us, content(formatFile, "two"), "is damaged", "format"},
		{"format zero", us, content(formatFile, "0"), "is damaged", "format"},
		{"a file", us, func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)) }, "cannot be used", "--dir"},
		{"lock is a directory", us, func(dir string) error { return os.Mkdir(filepath.Join(dir, lockFile), 0o700) }, "cannot be used", "--dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.prepare != nil {
				if err := c.prepare(dir); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.guard.lock(dir)
			wantRefusal(t, err, bus.CodeStore, c.want, c.hint)
		})
	}
}

func content(name, text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
}

// wantRefusal wants an error of one line, with what to do.
func wantRefusal(t *testing.T, err error, code bus.Code, message, hint string) {
	t.Helper()
	var e *bus.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("want an error of code %s, got %v", code, err)
	}
	if !strings.Contains(e.Message, message) || strings.Contains(e.Message, "\n") {
		t.Errorf("want one line with %q, got %q", message, e.Message)
	}
	if !strings.Contains(e.Hint, hint) {
		t.Errorf("want the hint %q, got %q", hint, e.Hint)
	}
}

// TestLock_narrows: a directory of ours that others may enter is closed to them.
func TestLock_narrows(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	l, err := TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("want mode 0700, got %v (%v)", info.Mode(), err)
	}
	for _, name := range []string{lockFile, formatFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: want mode 0600, got %v (%v)", name, info, err)
		}
	}
}

// TestLock_noMachineID: a machine without an id binds nothing and takes what it finds.
func TestLock_noMachineID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := systemGuard()
	g.machine = func() string { return "" }
	l, err := g.lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, machineFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want no file, got %v", err)
	}
	l.Close()
	if err := content(machineFile, "0123")(dir); err != nil {
		t.Fatal(err)
	}
	if l, err = g.lock(dir); err != nil {
		t.Fatalf("want the lock, got %v", err)
	}
	l.Close()
}

// TestLock_refusedIsFree: a refusal after the lock was taken gives it back.
func TestLock_refusedIsFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	format := filepath.Join(dir, formatFile)
	if err := os.WriteFile(format, []byte("9"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(dir); bus.CodeOf(err) != bus.CodeStore {
		t.Fatalf("want code store, got %v", err)
	}
	if err := os.Remove(format); err != nil {
		t.Fatal(err)
	}
	l, err := TryLock(dir)
	if err != nil {
		t.Fatalf("want the lock, got %v", err)
	}
	l.Close()
}

func TestLock_withdrawsOnlyItsOwnHostFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		others bool
	}{{"ours", false}, {"another's", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l, err := TryLock(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Publish(bus.HostFile{Store: "ours"}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, bus.HostFileName)
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("want mode 0600, got %v (%v)", info, err)
			}
			if c.others {
				if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); (err == nil) != c.others {
				t.Errorf("want the file left: %v, got %v", c.others, err)
			}
			if err := l.Publish(bus.HostFile{}); !errors.Is(err, bus.ErrClosed) {
				t.Errorf("want ErrClosed, got %v", err)
			}
		})
	}
}

// A process that is being started has a copy of every descriptor until its
// exec: a lock that was given back is free all the same.
func TestLockIsNotLeftToChild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := TryLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(l.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := TryLock(dir)
	if err != nil {
		t.Fatalf("want the lock free, got %v", err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}
