package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
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

// countsInterrupts ends with the number of SIGINT it got, a moment after the
// first. Until then it spins, so that two are not taken for one.
const countsInterrupts = `n=0; trap 'n=$((n+1))' INT; echo ready
while test $n -eq 0; do :; done
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.01; done; exit $n`

// TestInterruptOnce types Ctrl-C, which the terminal sends to this program and
// to the command it runs: it must not be passed on.
func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := openTerminal(t)
	c := exec.CommandContext(t.Context(), "lwj", "--dir", dir, "kv", "owner", "register", "me", "--", "sh", "-c", countsInterrupts)
	c.Stdin, c.Stdout, c.Stderr = theirs, theirs, theirs
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(ours).ReadString('\n'); err != nil || line != "ready\r\n" {
		t.Errorf("want %q, got %q, %v", "ready\r\n", line, err)
	}
	if _, err := ours.WriteString("\x03"); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // it ends with 1
	if got := c.ProcessState.ExitCode(); got != 1 {
		t.Errorf("want 1 interrupt, got %d", got)
	}
	awaitNoHost(dir)
}

func none(string) (string, bool) { return "", false }
