package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("make a terminal: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock the terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("name the terminal: %v", err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("open the terminal: %v", err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// TestTerminal wants a newline behind a value on a terminal, and nowhere else.
func TestTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := openTerminal(t)
	var plain, talk bytes.Buffer
	for _, s := range []*Streams{
		{In: strings.NewReader(""), Out: theirs, Err: &talk, Getenv: none},
		{In: strings.NewReader(""), Out: &plain, Err: &talk, Getenv: none},
	} {
		if code := Main(s, []string{"--dir", dir, "kv", "get", "k", "--default", "v"}); code != 0 {
			t.Fatalf("want exit code 0, got %d: %s", code, &talk)
		}
	}
	if got := plain.String(); got != "v" {
		t.Errorf("no terminal: want %q, got %q", "v", got)
	}
	line, err := bufio.NewReader(ours).ReadString('\n')
	if err != nil || line != "v\r\n" {
		t.Errorf("terminal: want %q, got %q, %v", "v\r\n", line, err)
	}
}

func none(string) (string, bool) { return "", false }
